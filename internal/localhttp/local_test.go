package localhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/internal/localhttp"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

func ExampleStart() {
	s, err := localhttp.Start(":0", hello)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	answer, err := http.Get(s.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	fmt.Println(string(text), err, strings.HasPrefix(s.URL(), "http://127.0.0.1:"))
	// Output: hello <nil> true
}

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		listens, method, host string
		want                  int
	}{
		{"127.0.0.1", "GET", "127.0.0.1:8080", 200},
		{"127.0.0.1", "HEAD", "localhost:8080", 200},
		{"127.0.0.1", "GET", "LOCALHOST.", 200},
		{"::1", "GET", "[::1]:8080", 200},
		{"localhost", "GET", "127.0.0.2", 200},
		{"127.0.0.1", "GET", "evil.example:8080", 421},
		{"127.0.0.1", "GET", "localhost.evil.example", 421},
		{"127.0.0.1", "GET", "127.0.0.1.evil.example", 421},
		{"127.0.0.1", "GET", "192.168.1.5:8080", 421},
		{"127.0.0.1", "GET", "", 421},
		{"127.0.0.1", "POST", "127.0.0.1", 405},
		{"127.0.0.1", "POST", "evil.example", 421},
		{"0.0.0.0", "GET", "192.168.1.5:8080", 200}, // the user wants it open
		{"0.0.0.0", "GET", "evil.example", 421},
		{"box.example", "GET", "box.example:8080", 200},
		{"box.example", "DELETE", "box.example:8080", 405},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		localhttp.Guard(hello, c.listens).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s of %q at %s: %d, want %d", c.method, c.host, c.listens, w.Code, c.want)
		}
		if w.Header().Get("X-Frame-Options") != "DENY" ||
			!strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("headers %v", w.Header())
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{":80", "127.0.0.1:80"},
		{"0.0.0.0:1", "0.0.0.0:1"},
		{"[::1]:9", "[::1]:9"},
		{"box:http", "box:http"},
	} {
		t.Run(c.text, func(t *testing.T) {
			if got, err := localhttp.Address(c.text); err != nil || got != c.want {
				t.Errorf("%q: %q, %v", c.text, got, err)
			}
		})
	}
	for _, text := range []string{"", "8080", "127.0.0.1", "a:b:c", ":", ":99999", ":nonsense"} {
		if _, err := localhttp.Address(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
		if _, err := localhttp.Start(text, hello); err == nil {
			t.Errorf("%q is served", text)
		}
	}
	for _, test := range []struct {
		text string
		want bool
	}{
		{":80", false},
		{"localhost:80", false},
		{"127.0.0.9:80", false},
		{"[::1]:80", false},
		{"0.0.0.0:80", true},
		{"box:80", true},
	} {
		t.Run(test.text, func(t *testing.T) {
			if localhttp.Open(test.text) != test.want {
				t.Errorf("%q: open %v", test.text, !test.want)
			}
		})
	}
}

// Clients that send nothing do not keep others out, and do not keep the server from ending.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, network := localhttp.StartOnPipes(hello)
		began := time.Now()
		for range 8 {
			c, err := network.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: ")
		}
		answer, err := network.Get()
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); string(text) != "hello" || err != nil || time.Since(began) > 0 {
			t.Errorf("after %v: %q, %v", time.Since(began), text, err)
		}
		if err := s.Close(); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("closed after %v: %v", time.Since(began), err)
		}
		if _, err := network.Dial(); err == nil {
			t.Error("it still listens")
		}
	})
}

// The port of a server that was closed is free.
func TestCloseFreesThePort(t *testing.T) {
	s, err := localhttp.Start("127.0.0.1:0", hello)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	again, err := localhttp.Start(at, hello)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
