package localhttp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/internal/localhttp"
)

// Connections that are idle, ask slowly, have asked, or do not read their answer keep nobody out,
// however many there are: another client need not wait for the time after which they are closed.
func TestManyConnections(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 1<<20)
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(large)
		}
		_, _ = io.WriteString(w, "hello")
	})
	for _, c := range []struct{ name, sends, gets string }{
		{"nothing", "", ""},
		{"part of a header", "GET / HTTP/1.1\r\nHost: ", ""},
		{"a request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "hello"},
		{"a request whose answer nobody takes", "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, network := localhttp.StartOnPipes(pages)
				defer s.Close()
				began := time.Now()
				for range 80 {
					conn, err := network.Dial()
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					fmt.Fprint(conn, c.sends)
					if c.gets == "" {
						continue
					}
					answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer answer.Body.Close()
					if text, err := io.ReadAll(answer.Body); string(text) != c.gets || err != nil {
						t.Errorf("one of them got %q, %v", text, err)
					}
				}
				for range 3 {
					answer, err := network.Get()
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(answer.Body)
					answer.Body.Close()
					if string(text) != "hello" || err != nil || time.Since(began) > 0 {
						t.Errorf("after %v: %q, %v", time.Since(began), text, err)
					}
				}
			})
		})
	}
}

// A connection that is being answered stays as long as there are others to close.
func TestAnswersAreFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan bool)
		s, network := localhttp.StartOnPipes(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-end
			_, _ = io.WriteString(w, "done")
		}))
		defer s.Close()
		answer := make(chan string)
		go func() {
			r, err := network.Get()
			if err != nil {
				answer <- err.Error()
				return
			}
			defer r.Body.Close()
			text, _ := io.ReadAll(r.Body)
			answer <- string(text)
		}()
		synctest.Wait() // until it is being answered
		for range 100 {
			conn, err := network.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		synctest.Wait() // until the server has them
		close(end)
		if got := <-answer; got != "done" {
			t.Errorf("got %q", got)
		}
	})
}
