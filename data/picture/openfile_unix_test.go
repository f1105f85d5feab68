//go:build unix

package picture

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fasternet/internal/patience"
)

// Nothing waits for a pipe or reads a device without end: it is an error at once.
func TestOpenSpecialFiles(t *testing.T) {
	t.Chdir(t.TempDir()) // the path of a socket must be short
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("unix", "socket")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	if err := os.Symlink("/dev/zero", "device"); err != nil {
		t.Skip(err)
	}
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"pipe", "data: pipe is a pipe, a socket or a device; a file is needed"},
		{"device", "data: device is a pipe, a socket or a device; a file is needed"},
		{"socket", "data: open socket: "},
		{"folder", "data: folder is a folder; a file is needed"},
		{"none", "data: open none: no such file or directory; was it removed after the data set was opened?"},
	} {
		for _, read := range []struct {
			name string
			call func(path string) error
		}{
			{"ReadFile", func(path string) error { _, err := ReadFile(path, nil); return err }},
			{"ReadPart", func(path string) error { _, err := ReadPart(path, 0, 8, nil); return err }},
			{"IsImageFile", func(path string) error { _, err := IsImageFile(path); return err }},
		} {
			t.Run(filepath.Join(read.name, c.path), func(t *testing.T) {
				ended := make(chan error, 1)
				go func() { ended <- read.call(c.path) }()
				err := patience.Receive(t, "it ends", ended)
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
			})
		}
	}
}
