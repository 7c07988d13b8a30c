// Prose checks the language of the comments in this repository. For each
// package, it prints the number of question words, pronouns and colons per
// 1,000 words, because many of them make a sentence hard to follow. Prose fails
// if a comment line is wider than 80 columns.
package main

import (
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxColumns = 80

// notProse matches comment lines that are not prose. Such a line is a
// directive, or a code line (after a tab) in a doc comment.
var notProse = regexp.MustCompile(`^//(go:|nolint|export |line |\t| *#| Code generated)`)

var (
	word      = regexp.MustCompile(`[A-Za-z][A-Za-z'-]*`)
	questions = regexp.MustCompile(`(?i)\b(what|who|which|whose)\b`)
	pronouns  = regexp.MustCompile(`(?i)\b(it|its|that|those|one|this|they|them)\b`)
	colons    = regexp.MustCompile(`[a-z)\]"]: [a-z]`)
)

// counts are the figures of one package.
type counts struct{ words, questions, pronouns, colons, wide int }

func main() {
	quiet := flag.Bool("quiet", false, "print only the lines that are too wide")
	flag.Parse()
	wide, err := run(*quiet)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(2)
	}
	if wide > 0 {
		fmt.Fprintf(os.Stderr, "prose: %d comment lines are wider than %d columns: break them\n", wide, maxColumns)
		os.Exit(1)
	}
}

func run(quiet bool) (wide int, err error) {
	packages := map[string]*counts{}
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, ".avro.go"):
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if packages[dir] == nil {
			packages[dir] = new(counts)
		}
		return packages[dir].add(path)
	})
	if err != nil {
		return 0, err
	}
	names := make([]string, 0, len(packages))
	for name, c := range packages {
		names = append(names, name)
		wide += c.wide
	}
	if quiet {
		return wide, nil
	}
	slices.Sort(names)
	total := new(counts)
	fmt.Printf("%-36s %8s %10s %8s %7s\n", "per 1,000 words of comments", "words", "what/who", "it/that", "colons")
	for _, name := range names {
		c := packages[name]
		c.print(name)
		total.words += c.words
		total.questions += c.questions
		total.pronouns += c.pronouns
		total.colons += c.colons
	}
	total.print("all")
	return wide, nil
}

func (c *counts) print(name string) {
	if c.words == 0 {
		return
	}
	per := func(n int) float64 { return 1000 * float64(n) / float64(c.words) }
	fmt.Printf("%-36s %8d %10.1f %8.1f %7.1f\n", name, c.words, per(c.questions), per(c.pronouns), per(c.colons))
}

// add counts the comments of one file.
func (c *counts) add(path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	file := files.AddFile(path, -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	output := -1 // the last line of an example's expected output
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			return nil
		}
		line := files.Position(pos).Line
		if kind == token.COMMENT && (strings.Contains(text, "utput:") || line == output+1) {
			output = line
			continue
		}
		if kind != token.COMMENT || !strings.HasPrefix(text, "//") || notProse.MatchString(text) {
			continue
		}
		at := files.Position(pos)
		before := string(src[file.Offset(pos)-(at.Column-1) : file.Offset(pos)])
		if strings.TrimSpace(before) == "" {
			columns := len(before)*4 + utf8.RuneCountInString(text) // a tab counts as four columns
			if columns > maxColumns && !strings.Contains(text, "://") {
				c.wide++
				fmt.Printf("%s:%d: %d columns\n", path, at.Line, columns)
			}
		}
		c.words += len(word.FindAllString(text, -1))
		c.questions += len(questions.FindAllString(text, -1))
		c.pronouns += len(pronouns.FindAllString(text, -1))
		c.colons += len(colons.FindAllString(text, -1))
	}
}
