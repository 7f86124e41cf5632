# Built in two stages: the first has the compiler, the second only what runs.
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /app
# There is no git in here; say which commit it is with --build-arg LINE_RELAY_COMMIT=$(git rev-parse --short HEAD)
ARG LINE_RELAY_COMMIT=unknown
# The packages first: they change less often than the sources. The build itself comes after them.
COPY package.json package-lock.json ./
COPY tools ./tools
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN LINE_RELAY_COMMIT="$LINE_RELAY_COMMIT" npm run build
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:26.10.0-bookworm-slim
LABEL org.opencontainers.image.title="line-relay" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY LICENSE relay.toml.example quick-start.toml ./
COPY bin ./bin
# Answers from outside, with the log on disk, and with files as outputs where none are named.
COPY contrib/docker/relay.toml /etc/relay/relay.toml
# The program is owned by root and run by user 1000 ("node"), so it cannot change itself. It writes to this
# folder only, which is a volume: the image also runs with --read-only.
RUN mkdir -p /var/lib/relay && chown 1000:1000 /var/lib/relay
VOLUME /var/lib/relay
# As numbers: Kubernetes' runAsNonRoot knows no names.
USER 1000:1000
# Writes; metrics and health. A relay over UDP has the port that its own configuration says.
EXPOSE 9096/tcp 9097/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s --retries=3 \
  CMD ["node", "/app/bin/relay.js", "-healthcheck", "-config", "/etc/relay/relay.toml"]
# One process, no shell in between: signals arrive.
ENTRYPOINT ["node", "/app/bin/relay.js"]
CMD ["-config", "/etc/relay/relay.toml"]
