package main

import (
	"strings"
	"testing"
)

func TestCheckPath(t *testing.T) {
	for _, c := range []struct{ name, path, want string }{
		{"the empty path", "", "the module path is empty"},
		{"a blank", "a.org/x y", "invalid char ' '"},
		{"an address", "https://a.org/x", "is an address"},
		{"a folder", "./x", "is a local import path"},
		{"from the root", "/x", "empty path element"},
		{"a slash at the end", "a.org/x/", "trailing slash"},
		{"major version 1", "a.org/x/v1", "major version suffixes"},
		{"the standard library", "encoding/x", "the standard library has packages below encoding"},
		{"a name of the go command", "main", "reserves the name"},
		{"what nobody can import", "a.org/internal/x", `with the element "internal"`},
		{"words", "fasternet", ""},
		{"a host", "example.org/you/fasternet-train", ""},
		{"all that a path may have", "a-b.org/C.d_e~f/g/v2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch err := checkPath(c.path); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("want %q, got %v", c.want, err)
			}
		})
	}
}
