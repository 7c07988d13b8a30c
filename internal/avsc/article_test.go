package avsc_test

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
)

func TestArticle(t *testing.T) {
	t.Parallel()
	for _, want := range strings.Fields(`
		a:record an:enum an:array a:union an:int an:error a:field
		an:Order an:Everything an:Address an:Update an:Item a:User a:Unit a:Union a:OneTimeCode a:Euro
		an:HTTPServer an:APIKey an:SLA an:XMLDocument an:X an:X1st an:ID an:IDs
		a:URL a:URLs a:UUID a:UIEvent a:TCPFlow a:B a:Xylophone a:userID a:uniform a:_ a:`) {
		article, noun, _ := strings.Cut(want, ":")
		if got := avsc.Article(noun); got != article+" "+noun {
			t.Errorf("%q, want %q", got, article+" "+noun)
		}
	}
}
