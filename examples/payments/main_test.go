package main

// The output is also in the documentation.
func Example() {
	main()
	// Output:
	// ada -> bob  300: booked
	// bob -> eve  450: booked
	// eve -> ada  700: no: not enough money in the account
	// eve -> ada   50: booked
	// entries accepted 7, committed 6, aborted 1
	// the ledger: map[ada:-250 all:0 bob:-150 eve:400]
}
