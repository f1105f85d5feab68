//go:build unix

package cases

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"fasternet/internal/datatest"
	"fasternet/internal/modeltest"
)

// service is the program while it serves.
type service struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	url    string
	models []string
}

// serves starts the program and waits until it is ready.
func (f folder) serves(env []string, args ...string) *service {
	f.t.Helper()
	s := &service{
		t:      f.t,
		cmd:    exec.Command(program, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...),
		stderr: &bytes.Buffer{},
	}
	s.cmd.Dir, s.cmd.Stderr, s.cmd.Env = f.path, s.stderr, append(os.Environ(), env...)
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	var ready struct {
		URL    string
		Models []string
	}
	if err == nil {
		err = json.Unmarshal([]byte(line), &ready)
	}
	if err != nil {
		_ = s.cmd.Wait()
		f.t.Fatalf("%v: %q\n%s", err, line, s.stderr)
	}
	s.url, s.models = ready.URL, ready.Models
	return s
}

// stops sends SIGTERM and fails unless the program ends well.
func (s *service) stops() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("after SIGTERM: %v\n%s", err, s.stderr)
	}
}

// The program serves models under their names, over HTTP and TLS, with a token, and ends after SIGTERM
// with exit code 0.
func TestServe(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	modeltest.WriteTo(t, f.file("runs/flowers/checkpoints/best.safetensors"), modeltest.Families[0])
	modeltest.WriteTo(t, f.file("my vit.safetensors"), modeltest.Families[1])
	certificate(t, f)
	f.write("token.txt", []byte("s3cret\n"))
	photo := datatest.EncodeJPEG(t, datatest.Scene(50, 40))
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	for _, c := range []struct {
		name, token string
		env, args   []string
		models      string
	}{
		{"names of runs and files", "", nil, []string{"runs/flowers", "my vit.safetensors"}, "flowers my-vit"},
		{"a checkpoint of a run", "", nil,
			[]string{"runs/flowers/checkpoints/best.safetensors", "--max-delay", "5ms", "--log-requests"}, "flowers"},
		{"other names", "", nil, []string{"a=runs/flowers", "b=runs/flowers"}, "a b"},
		{"token in a file, TLS", "s3cret", nil,
			[]string{"runs/flowers", "--token-file", "token.txt", "--tls-cert", "cert.pem", "--tls-key", "key.pem"},
			"flowers"},
		{"token in the environment", "other", []string{"FASTERNET_TOKEN=other"}, []string{"runs/flowers"}, "flowers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := folder{t, f.path}
			s := f.serves(c.env, c.args...)
			if got := strings.Join(s.models, " "); got != c.models {
				t.Errorf("models %q, want %q", got, c.models)
			}
			for _, m := range s.models {
				for _, token := range []string{c.token, "wrong"} {
					r, err := http.NewRequest(http.MethodPost, s.url+"classify?topk=1&model="+m, bytes.NewReader(photo))
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Authorization", "Bearer "+token)
					reply, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(reply.Body)
					reply.Body.Close()
					want := http.StatusOK
					if token != c.token && c.token != "" {
						want = http.StatusUnauthorized
					}
					if reply.StatusCode != want ||
						want == http.StatusOK && !strings.Contains(string(body), `"model":"`+m+`"`) {
						t.Errorf("%s with token %q: %s %s", m, token, reply.Status, body)
					}
				}
			}
			s.stops()
			if c.name == "a checkpoint of a run" &&
				!strings.Contains(s.stderr.String(), "POST /classify model=flowers status=200") {
				t.Errorf("no line for the request:\n%s", s.stderr)
			}
		})
	}
}

// Wrong usage ends with exit code 2 before a model is read, and a bad model with exit code 1.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	modeltest.WriteTo(t, f.file("m.safetensors"), modeltest.Families[0])
	f.write("empty.txt", []byte(" \n"))
	f.write("broken.safetensors", []byte("no model"))
	for _, c := range []struct {
		name string
		code int
		want string
		args []string
	}{
		{"no model", 2, "want MODEL", nil},
		{"address", 2, "--addr: want host:port", []string{"m.safetensors", "--addr", "8000"}},
		{"queue", 2, "--queue: want 1 to", []string{"m.safetensors", "--queue", "0"}},
		{"timeout", 2, "--timeout: want 1ms", []string{"m.safetensors", "--timeout", "0s"}},
		{"batch", 2, "MaxBatch: want 1 to 64", []string{"m.safetensors", "--max-batch", "65"}},
		{"pixels", 2, "MaxPixels", []string{"m.safetensors", "--max-pixels", "-1"}},
		{"precision", 2, "fp16", []string{"m.safetensors", "--precision", "fp16"}},
		{"one half of TLS", 2, "--tls-cert and --tls-key", []string{"m.safetensors", "--tls-cert", "x"}},
		{"empty token", 2, "the token is empty", []string{"m.safetensors", "--token-file", "empty.txt"}},
		{"no token file", 2, "--token-file", []string{"m.safetensors", "--token-file", "none.txt"}},
		{"one name twice", 2, "two models have the name m", []string{"m.safetensors", "m=m.safetensors"}},
		{"bad name", 2, "want at most 128 letters", []string{"a b=m.safetensors"}},
		{"missing", 1, "missing", []string{"missing.safetensors"}},
		{"broken", 1, "broken.safetensors", []string{"broken.safetensors"}},
		{"no certificate", 1, "TLS",
			[]string{"m.safetensors", "--addr", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder{t, f.path}.run(append([]string{"serve"}, c.args...)...).exits(c.code).says(c.want)
		})
	}
}

// certificate writes cert.pem and key.pem.
func certificate(t *testing.T, f folder) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	f.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
