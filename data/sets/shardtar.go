package sets

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// shardTar walks through the members of a shard.
type shardTar struct {
	file *os.File
	size int64
	tar  *tar.Reader
	last string // the previous member
}

// shardMember is a regular file in a shard.
type shardMember struct {
	name         string // its cleaned path
	key          string // its key in the data set that the shard was made from; may be ""
	offset, size int64
	text         io.Reader // the content
}

func openShardTar(file string) (*shardTar, error) {
	if info, err := os.Stat(file); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, errors.New("a pipe, a socket or a device; a shard is a tar file") // opening a pipe would wait
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	// tar reads whole blocks and seeks, so the offset of f is where the data are.
	t := &shardTar{file: f, tar: tar.NewReader(f)}
	if err := t.check(); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// check refuses files that are not tar files, by their first bytes.
func (t *shardTar) check() error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	t.size = info.Size()
	switch {
	case info.IsDir():
		return errors.New("a folder; a shard is a tar file")
	case t.size == 0:
		return errors.New("the file is empty")
	}
	head := make([]byte, 8)
	n, err := t.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, c := range compressions {
		if bytes.HasPrefix(head[:n], []byte(c.magic)) {
			return fmt.Errorf("compressed with %s; images are read directly from a shard, so decompress it: %s %s",
				c.name, c.command, t.file.Name())
		}
	}
	archives := []struct{ name, magic string }{
		{"zip", "PK\x03\x04"},
		{"7z", "7z\xbc\xaf\x27\x1c"},
		{"RAR", "Rar!"},
	}
	for _, archive := range archives {
		if bytes.HasPrefix(head[:n], []byte(archive.magic)) {
			return fmt.Errorf("a %s file, but a shard is a tar file: unpack it, and make a tar file from its content",
				archive.name)
		}
	}
	return nil
}

// compressions lists programs that compress tar files: the first bytes of such a file, the
// ending of its name, and the command that decompresses it.
var compressions = []struct {
	name, magic, command string
	endings              []string
}{
	{"gzip", "\x1f\x8b", "gunzip", []string{".tar.gz", ".tgz"}},
	{"zstd", "\x28\xb5\x2f\xfd", "zstd -d", []string{".tar.zst", ".tar.zstd", ".tzst"}},
	{"xz", "\xfd7zXZ\x00", "unxz", []string{".tar.xz", ".txz"}},
	{"bzip2", "BZh", "bunzip2", []string{".tar.bz2", ".tbz2", ".tbz"}},
	{"lz4", "\x04\x22\x4d\x18", "lz4 -d", []string{".tar.lz4"}},
	{"lzip", "LZIP", "lzip -d", []string{".tar.lz"}},
	{"compress", "\x1f\x9d", "uncompress", []string{".tar.Z"}},
}

// CompressedShard reports whether a file has the name of a compressed tar file, and what the
// name of the tar file is.
func CompressedShard(file string) (tarFile string, ok bool) {
	for _, c := range compressions {
		for _, ending := range c.endings {
			if stem, ok := strings.CutSuffix(file, ending); ok {
				return stem + ".tar", true
			}
		}
	}
	return "", false
}

// next returns the next member that is a file; io.EOF after the last.
func (t *shardTar) next() (m shardMember, err error) {
	for {
		h, err := t.tar.Next()
		if errors.Is(err, io.EOF) {
			return m, t.end()
		}
		if err != nil {
			return m, t.damaged(err)
		}
		t.last = h.Name
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		case tar.TypeDir, tar.TypeXGlobalHeader, 'X': // X: headers of Solaris
			continue
		default:
			return m, fmt.Errorf("member %q is a link or a special file; "+
				"want regular files (tar --dereference --hard-dereference)", h.Name)
		}
		m, err = t.member(h)
		if err != nil {
			return m, fmt.Errorf("member %q: %w", h.Name, err)
		}
		return m, nil
	}
}

func (t *shardTar) member(h *tar.Header) (m shardMember, err error) {
	at, err := t.file.Seek(0, io.SeekCurrent)
	switch {
	case err != nil:
		return m, err
	case h.Size > t.size-at:
		return m, fmt.Errorf("%d bytes, but only %d follow: the shard is truncated", h.Size, t.size-at)
	case h.Typeflag == tar.TypeGNUSparse || sparse(h):
		return m, errors.New("it is sparse; pack the shard without --sparse")
	case unsafePath(h.Name):
		return m, errors.New("a name that is absolute or climbs with .. is not safe")
	}
	m = shardMember{name: path.Clean(h.Name), offset: at, size: h.Size, text: t.tar}
	if key, ok := strings.CutPrefix(h.PAXRecords[paxComment], nameComment); ok {
		m.key = key
	}
	return m, nil
}

// unsafePath reports whether a path is absolute, climbs with "..", or has a zero byte.
func unsafePath(name string) bool {
	return path.IsAbs(name) ||
		slices.Contains(strings.Split(name, "/"), "..") ||
		strings.ContainsRune(name, 0)
}

func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return true
		}
	}
	return false
}

func (t *shardTar) damaged(err error) error {
	where := "at its start"
	if t.last != "" {
		where = fmt.Sprintf("after member %q", t.last)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the shard is truncated %s", where)
	}
	return fmt.Errorf("not a tar file, or a damaged one, %s: %w", where, err)
}

// end returns io.EOF, or an error if something follows the end of the archive: if tar files
// were joined with cat, reading would stop after the first.
func (t *shardTar) end() error {
	buf := make([]byte, 1<<16)
	for {
		n, err := t.file.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return fmt.Errorf("more follows the end of the archive, after member %q; "+
				"join tar files with tar --concatenate, not with cat", t.last)
		}
		if err != nil {
			return err
		}
	}
}

// ended reports whether the archive ends as it should, with zeros. Otherwise members may be
// missing.
func (t *shardTar) ended() bool {
	const block = 512
	tail := make([]byte, block)
	if t.size < block {
		return false
	}
	_, err := t.file.ReadAt(tail, t.size-block)
	return err == nil && len(bytes.Trim(tail, "\x00")) == 0
}

// paxFolder is the folder where programs that do not know pax headers unpack them as files.
var paxFolder = regexp.MustCompile(`^PaxHeaders?(\.\d+)?$`)

// hiddenMember reports whether a member or a folder above it is hidden, or is a pax header that
// was taken for a file.
func hiddenMember(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return hidden(part) || paxFolder.MatchString(part)
	})
}
