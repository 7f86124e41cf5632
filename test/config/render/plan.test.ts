import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseConfig } from '../../../src/config/parse-config.ts'
import { renderPlan } from '../../../src/config/render/plan.ts'

function planOf(text: string): string {
  const readFile = (path: string) => readFileSync(path, 'utf8')
  const parsed = parseConfig({ path: 'relay.toml', text }, { variables: {}, readFile })
  assert(parsed.kind === 'config', JSON.stringify(parsed))
  return renderPlan(parsed.config)
}

test('the plan shows every effective value, and no secret', () => {
  const plan = planOf(`
[admin]
bind-addr = ""
[[http]]
bind-addr = ":9096"
rate-limit = 5
default-retention-policy = "week"
[[http.output]]
name = "a"
location = "https://me:s3cret@a:8086/write?node=1&token=s3cret"
server-name = "db"
[[http.output]]
name = "b"
location = "file:b.lp"
[[http.output]]
name = "c"
location = "http://c:1"
token = "s3cret"
[[udp]]
bind-addr = ":9096"
read-buffer = 4096
retention-policy = "day"
output = [ { location = "d:8089" } ]
[[filter]]
measurement-expression = "^cpu"
tag-expression = "(?i)host"
outputs = ["b"]
[[filter]]
outputs = ["b"]
`)
  assert.doesNotMatch(plan, /s3cret/)
  assert.equal(
    plan,
    `metrics and health       off
max-memory-mb            256
shutdown-timeout         8s
log-level                info
log-format               auto

relay "http://:9096": HTTP on :9096
  default-retention-policy week
  ack                      any
  ack-timeout              4s
  max-body-mb              25000000 bytes, as in InfluxDB
  max-connections          5000
  influxdb-version         1.8.10
  unsigned-integers        false
  honor-consistency        false
  idle-timeout             3m
  fast-lane                true
  default-ping-response    204
  rate-limit               5
  burst-limit              1
  output "a": HTTP https://a:8086/write?node=1&token=(hidden)
    write                    https://a:8086/write?node=1&token=(hidden)
    write_prom               https://a:8086/api/v1/prom/write?node=1&token=(hidden)
    ping                     https://a:8086/ping?node=1&token=(hidden)
    query                    https://a:8086/query?node=1&token=(hidden)
    credentials              user "me", password (hidden)
    gzip                     false
    missing-db-grace         1h
    skip-tls-verification    false
    server-name              db
    timeout                  10s
    buffer-size-mb           64
    max-batch-kb             4096
    max-delay-interval       10s
  output "b": FILE file:b.lp
    file                     b.lp
    max-file-mb              64
    max-files                10
    timeout                  10s
    buffer-size-mb           64
    max-batch-kb             4096
    max-delay-interval       10s
    filter                   a tag key matches (?i)host and the measurement matches ^cpu
    filter                   every line
  output "c": HTTP http://c:1
    write                    http://c:1/write
    write_prom               http://c:1/api/v1/prom/write
    ping                     http://c:1/ping
    query                    http://c:1/query
    credentials              token (hidden)
    gzip                     false
    missing-db-grace         1h
    skip-tls-verification    false
    timeout                  10s
    buffer-size-mb           64
    max-batch-kb             4096
    max-delay-interval       10s

relay ":9096": UDP on :9096
  precision                ns
  read-buffer              4096
  database                 udp
  retention-policy         day
  ack                      any
  ack-timeout              4s
  output "d:8089": UDP d:8089
    mtu                      1024
    timeout                  10s
    buffer-size-mb           64
    max-batch-kb             4096
    max-delay-interval       10s
`,
  )
})
