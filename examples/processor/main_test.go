package main

// The documentation shows this output.
func Example() {
	main()
	// Output:
	// the ledger: map[ada:-5000 bob:-2000 sales:7000]
	// dead letters: 2
}
