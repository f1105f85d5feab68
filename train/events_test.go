package train

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// events returns what TensorBoard shows of a run, without measured times: how often each value of a step appears. It
// leaves out what a resumed run has dropped.
func events(t *testing.T, dir string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, axis := range []string{"step", "epoch_1000x"} {
		files, err := filepath.Glob(filepath.Join(dir, TensorBoardFolder, axis, "*tfevents*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no event files of %s: %v", axis, err)
		}
		slices.Sort(files)
		type value struct {
			key  string
			step uint64
		}
		var values []value
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for len(b) > 0 {
				n := binary.LittleEndian.Uint64(b)
				event := fields(t, b[12:12+n])
				b = b[16+n:]
				var step uint64
				if s := event[2]; s != nil {
					step, _ = protowire.ConsumeVarint(s[0])
				}
				if event[7] != nil { // a session starts
					values = slices.DeleteFunc(values, func(v value) bool { return v.step >= step })
				}
				for _, summary := range event[5] {
					for _, v := range fields(t, summary)[1] {
						f := fields(t, v)
						if tag := string(f[1][0]); !strings.HasPrefix(tag, "perf/") {
							h := fnv.New64a()
							_, _ = h.Write(v)
							values = append(values, value{fmt.Sprintf("%s %s %d %x", axis, tag, step, h.Sum64()), step})
						}
					}
				}
			}
		}
		for _, v := range values {
			all[v.key]++
		}
	}
	return all
}

// fields splits a message of Protocol Buffers: numbers as they are, the rest as bytes.
func fields(t *testing.T, b []byte) map[protowire.Number][][]byte {
	t.Helper()
	all := map[protowire.Number][][]byte{}
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		v := b[:size]
		if typ == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(v)
		}
		all[n], b = append(all[n], v), b[size:]
	}
	return all
}

// sameEvents checks that TensorBoard shows the same for two runs.
func sameEvents(t *testing.T, what, got, want string) {
	t.Helper()
	a, b := events(t, got), events(t, want)
	for key, n := range a {
		if b[key] != n {
			t.Errorf("%s: TensorBoard has %q %d times, want %d", what, key, n, b[key])
		}
	}
	for key, n := range b {
		if a[key] == 0 {
			t.Errorf("%s: TensorBoard lacks %q, which is there %d times", what, key, n)
		}
	}
}
