package lsp

import "testing"

// TestFileOf converts the URIs of editors on all systems. The last column is
// the URI that the server sends.
func TestFileOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ uri, file, back string }{
		{"file:///home/me/a.avsc", "/home/me/a.avsc", "file:///home/me/a.avsc"},
		{"file://localhost/home/me/a.avsc", "/home/me/a.avsc", "file:///home/me/a.avsc"},
		{"file:///home/me/../you/a%20b%23.avsc", "/home/you/a b#.avsc", "file:///home/you/a%20b%23.avsc"},
		{"file:///C:/Users/me/a.avsc", "C:/Users/me/a.avsc", "file:///C:/Users/me/a.avsc"},
		{"file:///c%3A/Users/me/a.avsc", "C:/Users/me/a.avsc", "file:///C:/Users/me/a.avsc"},
		{"file:///d:/x/../a.avsc", "D:/a.avsc", "file:///D:/a.avsc"},
		{"FILE:///d:/a.avsc", "D:/a.avsc", "file:///D:/a.avsc"},
		{"file:///d:/ü.avsc", "D:/ü.avsc", "file:///D:/%C3%BC.avsc"},
		{"file://server/share/a.avsc", "//server/share/a.avsc", "file://server/share/a.avsc"},
		{"untitled:Untitled-1", "untitled:Untitled-1", "untitled:Untitled-1"},
		{"file:", "/", "file:///"},
		{"%zz", "%zz", "%zz"},
	} {
		got := fileOf(c.uri)
		if got != c.file {
			t.Errorf("%s is the file %s, want %s", c.uri, got, c.file)
		}
		if back := (&server{}).uriOf(got); back != c.back {
			t.Errorf("%s has the URI %s, want %s", got, back, c.back)
		}
		if fileOf((&server{}).uriOf(got)) != got {
			t.Errorf("%s is another file after the way back", got)
		}
	}
	// The client's own spelling goes back to the client.
	s := &server{open: map[string]*document{}, uris: map[string]string{}, dirty: map[string]bool{}}
	const uri = "file:///c%3A/a.avsc"
	if err := s.change(uri, "{}"); err != nil {
		t.Fatal(err)
	}
	if got := s.uriOf("C:/a.avsc"); got != uri {
		t.Errorf("the open file has the URI %s, want %s", got, uri)
	}
}
