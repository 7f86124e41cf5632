// What Go's own regexp package says, for the tests of filters' expressions.
//
// Input, one case a line: {"expression": "…", "names": ["base64", …]}.
// Output, one line a case, as JSON text: "-" and Go's reason when the expression is refused, else one
// digit a name: 1 for a match, 0 for none.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

type testCase struct {
	Expression string
	Names      [][]byte
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<24)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for input.Scan() {
		var given testCase
		if err := json.Unmarshal(input.Bytes(), &given); err != nil {
			panic(err)
		}
		line, err := json.Marshal(verdict(given))
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(output, string(line))
	}
}

func verdict(given testCase) string {
	expression, err := regexp.Compile(given.Expression)
	if err != nil {
		return "-" + err.Error()
	}
	verdicts := make([]byte, len(given.Names))
	for i, name := range given.Names {
		verdicts[i] = '0'
		if expression.Match(name) {
			verdicts[i] = '1'
		}
	}
	return string(verdicts)
}
