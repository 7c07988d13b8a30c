package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// writeSample writes n lines of an access log of a busy shop. A few visitors
// come often, and most visitors come rarely. Some lines are broken. The same
// seed gives the same bytes.
func writeSample(w io.Writer, n int, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 0x636c69636b73))
	zipf := rand.NewZipf(rnd, 1.2, 8, 4999)
	out := bufio.NewWriterSize(w, 256<<10)
	at := time.Date(2026, time.May, 4, 6, 0, 0, 0, time.FixedZone("", 2*60*60))
	for range n {
		at = at.Add(time.Duration(rnd.IntN(900)) * time.Millisecond)
		who := zipf.Uint64()
		if dirt := rnd.IntN(1000); dirt < 4 {
			fmt.Fprintln(out, badLine(rnd, dirt, address(who), at))
			continue
		}
		fmt.Fprintf(out, "%s - %s [%s] \"%s\" %s \"%s\" \"%s\"\n", address(who), user(rnd), at.Format("02/Jan/2006:15:04:05 -0700"),
			request(rnd), answer(rnd), referrer(rnd), agents[who%uint64(len(agents))])
	}
	return out.Flush()
}

// address returns the fixed address of a visitor. Every third visitor has IPv6.
func address(who uint64) string {
	if who%3 == 0 {
		return fmt.Sprintf("2001:db8:%x:%x::%x", who%7, who*31%0xffff, who+1)
	}
	return fmt.Sprintf("198.51.%d.%d", who%256, who*7%254+1)
}

func user(rnd *rand.Rand) string {
	if rnd.IntN(40) == 0 {
		return "ada"
	}
	return "-"
}

func request(rnd *rand.Rand) string {
	switch rnd.IntN(200) {
	case 0:
		return "-" // a connection without a request
	case 1:
		return `\x16\x03\x01\x02` // a TLS handshake on the plain port
	case 2:
		return "GET /caf\xe9 HTTP/1.1" // Latin-1, not UTF-8
	}
	method := "GET"
	if rnd.IntN(12) == 0 {
		method = "POST"
	}
	path := pages[rnd.IntN(len(pages))]
	switch rnd.IntN(4) {
	case 0:
		path = fmt.Sprintf("/products/%d", rnd.IntN(20_000))
	case 1:
		path = fmt.Sprintf("/search?q=shoes+%d&page=%d", 36+rnd.IntN(12), rnd.IntN(9)+1)
	}
	protocol := "HTTP/1.1"
	if rnd.IntN(3) > 0 {
		protocol = "HTTP/2.0"
	}
	return method + " " + path + " " + protocol
}

func answer(rnd *rand.Rand) string {
	switch n := rnd.IntN(100); {
	case n < 6:
		return "304 -"
	case n < 9:
		return fmt.Sprintf("404 %d", 300+rnd.IntN(100))
	case n < 10:
		return "500 0"
	default:
		return fmt.Sprintf("200 %d", 500+rnd.IntN(90_000))
	}
}

func referrer(rnd *rand.Rand) string {
	if rnd.IntN(3) == 0 {
		return "-"
	}
	return referrers[rnd.IntN(len(referrers))]
}

// badLine returns a broken line of a kind that is found in real logs.
func badLine(rnd *rand.Rand, kind int, address string, at time.Time) string {
	stamp := at.Format("02/Jan/2006:15:04:05 -0700")
	whole := fmt.Sprintf(`%s - - [%s] "GET / HTTP/1.1" 200 512 "-" "curl/8.9.1"`, address, stamp)
	switch kind {
	case 0:
		return whole[:len(whole)-1-rnd.IntN(len(whole)/2)] // cut off, for example because the disk was full
	case 1:
		return fmt.Sprintf(`%s - - [31/Nov/2026:25:61:00 +0000] "GET / HTTP/1.1" 200 512 "-" "-"`, address)
	case 2:
		return fmt.Sprintf(`%s - - [%s] "GET / HTTP/1.1" OK 512 "-" "-"`, address, stamp)
	default:
		return "logrotate: error: stat of access.log failed: No such file or directory"
	}
}

var (
	pages     = []string{"/", "/cart", "/checkout", "/login", "/help", "/assets/app.js", "/assets/site.css", "/favicon.ico", "/r%C3%BCckgabe", "/api/v1/prices?sku=1&sku=2"}
	referrers = []string{"https://shop.example/", "https://shop.example/search?q=shoes", "https://search.example/?q=running+shoes", "https://news.example/2026/05/the-%22best%22-shoes"}
	agents    = []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
		`Mozilla/5.0 (compatible; \"Quoted\"Bot/2.1; +https://bot.example/)`,
		`Old "Unescaped" Browser/1.0`,
		"Crawler/1.0 (\xfc\xf1)",
		"-",
	}
)
