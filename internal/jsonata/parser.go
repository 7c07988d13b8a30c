package jsonata

import (
	"fmt"
	"regexp"
	"slices"
)

// nodeKind is the kind of a node after [parser.finish].
type nodeKind int

const (
	kindPath nodeKind = iota
	kindName
	kindString
	kindNumber
	kindValue
	kindRegex
	kindVariable
	kindWildcard
	kindDescendant
	kindBinary
	kindNegate
	kindArray
	kindObject
	kindBlock
	kindCondition
	kindDefault
	kindBind
	kindLambda
	kindCall
	kindPartial
	kindPlaceholder
	kindApply
	kindTransform
	kindSort
	kindFilterSyntax // lhs[rhs], before finish
	kindGroupSyntax  // lhs{pairs}, before finish
)

// node is a node of the syntax tree.
type node struct {
	kind  nodeKind
	at    int
	text  string // of a name, a string, a variable, a binary operator, ?: or ??
	val   any    // of a number or a value
	regex *regexp.Regexp
	size  int // the instructions of regex

	lhs, rhs, third *node   // operands; condition, then, else; pattern, update, delete
	list            []*node // steps, arguments, elements, expressions
	pairs           [][2]*node
	params          []string   // of a lambda
	terms           []sortTerm // of a sort

	filters   []*node // predicates of a value, or of a step
	group     *node   // a kindObject
	keepArray bool    // lhs[]
	consArray bool    // an array constructor as a step
}

type sortTerm struct {
	descending bool
	by         *node
}

// maxSyntaxDepth bounds the nesting of an expression.
const maxSyntaxDepth = 200

type parser struct {
	lex   lexer
	tok   token
	depth int
}

// parse returns the tree of an expression.
func parse(src string) (n *node, err error) {
	p := &parser{lex: lexer{src: src}}
	if err := p.advance(true); err != nil {
		return nil, err
	}
	if n, err = p.expression(0); err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.unexpected()
	}
	return finish(n)
}

func (p *parser) advance(operand bool) (err error) {
	p.tok, err = p.lex.next(operand)
	return err
}

func (p *parser) unexpected() error {
	if p.tok.kind == tokenEnd {
		return &SyntaxError{p.tok.at, "the expression ends too early"}
	}
	return &SyntaxError{p.tok.at, fmt.Sprintf("unexpected %q", p.lex.src[p.tok.at:max(p.lex.at, p.tok.at)])}
}

func (p *parser) is(op string) bool { return p.tok.kind == tokenOperator && p.tok.text == op }

// expect moves over an operator. operand says whether an operand follows.
func (p *parser) expect(op string, operand bool) error {
	if !p.is(op) {
		return p.unexpected()
	}
	return p.advance(operand)
}

// power returns the binding power of an operator between two operands.
func power(op string) int {
	switch op {
	case "[", "(":
		return 80
	case ".":
		return 75
	case "{":
		return 70
	case "*", "/", "%":
		return 60
	case "+", "-", "&":
		return 50
	case "=", "!=", "<", "<=", ">", ">=", "~>", "in", "^", "?:", "??":
		return 40
	case "and":
		return 30
	case "or":
		return 25
	case "?":
		return 20
	case ":=":
		return 10
	case "@", "#":
		return 80
	}
	return 0
}

// expression parses an expression. All operators in the expression bind more
// strongly than bp.
func (p *parser) expression(bp int) (*node, error) {
	if p.depth++; p.depth > maxSyntaxDepth {
		return nil, &SyntaxError{p.tok.at, "the expression is nested too deeply"}
	}
	defer func() { p.depth-- }()
	left, err := p.prefix()
	if err != nil {
		return nil, err
	}
	for p.tok.kind == tokenOperator && bp < power(p.tok.text) {
		if left, err = p.infix(left); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// prefix parses an operand and its prefix operators.
func (p *parser) prefix() (*node, error) {
	t := p.tok
	n := &node{at: t.at, text: t.text, val: t.val}
	switch t.kind {
	case tokenName:
		if !t.quoted && (t.text == "function" || t.text == "λ") {
			return p.function(n)
		}
		n.kind = kindName
	case tokenVariable:
		n.kind = kindVariable
	case tokenString:
		n.kind = kindString
	case tokenNumber:
		n.kind = kindNumber
	case tokenValue:
		n.kind = kindValue
	case tokenRegex:
		re, err := regexp.Compile(t.text)
		if err != nil {
			return nil, &SyntaxError{t.at, "the regular expression is not supported: " + err.Error()}
		}
		n.kind, n.regex, n.size = kindRegex, re, instructions(re)
	case tokenOperator:
		return p.prefixOperator(n)
	default:
		return nil, p.unexpected()
	}
	return n, p.advance(false)
}

func (p *parser) prefixOperator(n *node) (*node, error) {
	switch n.text {
	case "and", "or", "in": // a field of this name
		n.kind = kindName
		return n, p.advance(false)
	case "*":
		n.kind = kindWildcard
		return n, p.advance(false)
	case "**":
		n.kind = kindDescendant
		return n, p.advance(false)
	case "%":
		return nil, &SyntaxError{n.at, "the parent operator % is not supported"}
	case "?":
		n.kind = kindPlaceholder
		return n, p.advance(false)
	case "-":
		if err := p.advance(true); err != nil {
			return nil, err
		}
		operand, err := p.expression(70)
		n.kind, n.lhs = kindNegate, operand
		return n, err
	case "(":
		n.kind = kindBlock
		list, err := p.list(")", ";", true)
		n.list = list
		return n, err
	case "[":
		n.kind = kindArray
		list, err := p.list("]", ",", false)
		n.list = list
		return n, err
	case "{":
		n.kind = kindObject
		pairs, err := p.pairs()
		n.pairs = pairs
		return n, err
	case "|":
		return p.transform(n)
	}
	return nil, p.unexpected()
}

// list parses expressions up to end. The current token opens the list.
func (p *parser) list(end, separator string, trailing bool) ([]*node, error) {
	if err := p.advance(true); err != nil {
		return nil, err
	}
	var list []*node
	for !p.is(end) {
		item, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if end == "]" && p.is("..") { // the operator of a range in an array has no binding power
			at := p.tok.at
			if err := p.advance(true); err != nil {
				return nil, err
			}
			to, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			item = &node{kind: kindBinary, at: at, text: "..", lhs: item, rhs: to}
		}
		list = append(list, item)
		if !p.is(separator) {
			break
		}
		if err := p.advance(true); err != nil {
			return nil, err
		}
		if p.is(end) && !trailing {
			return nil, p.unexpected()
		}
	}
	return list, p.expect(end, false)
}

// pairs parses the members of an object. The current token is the brace.
func (p *parser) pairs() ([][2]*node, error) {
	if err := p.advance(true); err != nil {
		return nil, err
	}
	var pairs [][2]*node
	for !p.is("}") {
		name, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if err := p.expect(":", true); err != nil {
			return nil, err
		}
		value, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, [2]*node{name, value})
		if !p.is(",") {
			break
		}
		if err := p.advance(true); err != nil {
			return nil, err
		}
	}
	return pairs, p.expect("}", false)
}

// function parses "function($a, $b)<signature>{ body }". A signature is parsed,
// but has no effect.
func (p *parser) function(n *node) (*node, error) {
	if err := p.advance(false); err != nil {
		return nil, err
	}
	if !p.is("(") { // not a function: a field with the name "function"
		n.kind = kindName
		return n, nil
	}
	n.kind = kindLambda
	for first := true; ; first = false {
		if err := p.advance(true); err != nil {
			return nil, err
		}
		if first && p.is(")") {
			break
		}
		if p.tok.kind != tokenVariable {
			return nil, &SyntaxError{p.tok.at, "a parameter of a function must be a variable"}
		}
		n.params = append(n.params, p.tok.text)
		if err := p.advance(false); err != nil {
			return nil, err
		}
		if p.is(")") {
			break
		}
		if !p.is(",") {
			return nil, p.unexpected()
		}
	}
	if err := p.advance(false); err != nil {
		return nil, err
	}
	if p.is("<") {
		return nil, &SyntaxError{p.tok.at, "the signature of a function is not supported: leave it out"}
	}
	if err := p.expect("{", true); err != nil {
		return nil, err
	}
	body, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	n.lhs = body
	return n, p.expect("}", false)
}

// transform parses "|pattern|update|" and "|pattern|update, delete|".
func (p *parser) transform(n *node) (_ *node, err error) {
	n.kind = kindTransform
	if err := p.advance(true); err != nil {
		return nil, err
	}
	if n.lhs, err = p.expression(0); err != nil {
		return nil, err
	}
	if err := p.expect("|", true); err != nil {
		return nil, err
	}
	if n.rhs, err = p.expression(0); err != nil {
		return nil, err
	}
	if p.is(",") {
		if err := p.advance(true); err != nil {
			return nil, err
		}
		if n.third, err = p.expression(0); err != nil {
			return nil, err
		}
	}
	return n, p.expect("|", false)
}

// infix parses an operator after left.
func (p *parser) infix(left *node) (_ *node, err error) {
	t := p.tok
	n := &node{kind: kindBinary, at: t.at, text: t.text, lhs: left}
	switch t.text {
	case "@", "#":
		return nil, &SyntaxError{t.at, "the operators @ and # are not supported"}
	case "(":
		n.kind, n.lhs, n.rhs = kindCall, nil, left
		if n.list, err = p.list(")", ",", false); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(n.list, func(a *node) bool { return a.kind == kindPlaceholder }) {
			n.kind = kindPartial
		}
		return n, nil
	case "[":
		return p.filter(n)
	case "{":
		n.kind = kindGroupSyntax
		n.pairs, err = p.pairs()
		return n, err
	case "^":
		return p.sort(n)
	case "?":
		return p.condition(n)
	case ":=":
		if left.kind != kindVariable {
			return nil, &SyntaxError{t.at, "only a variable can be assigned"}
		}
		if err := p.advance(true); err != nil {
			return nil, err
		}
		n.kind, n.text = kindBind, left.text
		n.rhs, err = p.expression(9) // operators bind from right to left
		return n, err
	}
	if err := p.advance(true); err != nil {
		return nil, err
	}
	if t.text == "~>" {
		n.kind = kindApply
	}
	bp := power(t.text)
	if t.text == "?:" || t.text == "??" {
		n.kind, bp = kindDefault, 0
	}
	if n.rhs, err = p.expression(bp); err != nil {
		return nil, err
	}
	return n, nil
}

func (p *parser) filter(n *node) (*node, error) {
	if err := p.advance(true); err != nil {
		return nil, err
	}
	if p.is("]") { // lhs[] keeps an array with one element
		step := n.lhs
		for step.kind == kindFilterSyntax {
			step = step.lhs
		}
		step.keepArray = true
		return n.lhs, p.advance(false)
	}
	rhs, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	n.kind, n.rhs = kindFilterSyntax, rhs
	return n, p.expect("]", false)
}

func (p *parser) sort(n *node) (*node, error) {
	if err := p.advance(true); err != nil {
		return nil, err
	}
	n.kind = kindSort
	if err := p.expect("(", true); err != nil {
		return nil, err
	}
	for {
		var term sortTerm
		if p.is("<") || p.is(">") {
			term.descending = p.is(">")
			if err := p.advance(true); err != nil {
				return nil, err
			}
		}
		by, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		term.by = by
		n.terms = append(n.terms, term)
		if !p.is(",") {
			return n, p.expect(")", false)
		}
		if err := p.advance(true); err != nil {
			return nil, err
		}
	}
}

func (p *parser) condition(n *node) (_ *node, err error) {
	n.kind = kindCondition
	if err := p.advance(true); err != nil {
		return nil, err
	}
	if n.rhs, err = p.expression(0); err != nil {
		return nil, err
	}
	if p.is(":") {
		if err := p.advance(true); err != nil {
			return nil, err
		}
		n.third, err = p.expression(0)
	}
	return n, err
}
