package main

// The program's output is checked as it is told in the documentation.
func Example() {
	main()
	// Output:
	// the ledger: map[ada:-5000 bob:-2000 sales:7000]
	// dead letters: 2
}
