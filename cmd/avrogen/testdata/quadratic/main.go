// Command quadratic does work that grows with the square of its argument.
package main

import (
	"os"
	"strconv"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	sum := 0
	for i := range n {
		for j := range n {
			sum += i ^ j
		}
	}
	_ = sum
}
