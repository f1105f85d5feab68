package localhttp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"fasternet/internal/localhttp"
)

// Connections that are idle, ask slowly, have asked, or do not read their answer keep nobody out,
// however many there are.
func TestManyConnections(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 64<<20)
	s, err := localhttp.Start("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(large)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/")
	for _, c := range []struct{ name, sends string }{
		{"nothing", ""},
		{"part of a header", "GET / HTTP/1.1\r\nHost: "},
		{"a request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"a request whose answer nobody takes", "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var held []net.Conn
			for range 80 {
				conn, err := net.Dial("tcp", at)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprint(conn, c.sends)
				held = append(held, conn)
			}
			if c.name == "a request" {
				if line, err := bufio.NewReader(held[len(held)-1]).ReadString('\n'); err != nil ||
					!strings.Contains(line, "200") {
					t.Errorf("the last of them got %q, %v", line, err)
				}
			}
			for range 3 {
				began := time.Now()
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 8 * time.Second}
				answer, err := client.Get(s.URL())
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if string(text) != "hello" || err != nil {
					t.Errorf("after %v: %q, %v", time.Since(began), text, err)
				}
			}
		})
	}
}

// A connection that is being answered stays as long as there are others to close.
func TestAnswersAreFinished(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	s, err := localhttp.Start("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- true
		<-end
		_, _ = io.WriteString(w, "done")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	answer := make(chan string)
	go func() {
		r, err := http.Get(s.URL())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		answer <- string(text)
	}()
	<-begun
	for range 100 {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	time.Sleep(50 * time.Millisecond) // until the server has them
	close(end)
	if got := <-answer; got != "done" {
		t.Errorf("got %q", got)
	}
}
