package main

// The output is also in the documentation.
func Example() {
	main()
	// Output:
	// the ledger: map[ada:-5000 bob:-2000 sales:7000]
	// dead letters: 2
}
