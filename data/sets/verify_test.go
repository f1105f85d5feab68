package sets

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

func TestVerify(t *testing.T) {
	root := t.TempDir()
	whole := datatest.EncodeJPEG(t, datatest.Scene(64, 64))
	datatest.WriteFile(t, filepath.Join(root, "c", "0.jpg"), whole)
	cut := slices.Clone(whole[:len(whole)/2])
	datatest.WriteFile(t, filepath.Join(root, "c", "1.jpg"), cut)
	datatest.WriteFile(t, filepath.Join(root, "c", "2.jpg"), append(cut, 0xff, 0xd9)) // decoders fill it up
	datatest.WriteFile(t, filepath.Join(root, "c", "3.bmp"), []byte("BM"))
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := data.Verify(t.Context(), d, data.VerifyOptions{Workers: 2})
	if err != nil || len(v.Broken) != 3 {
		t.Fatalf("%+v, %v", v, err)
	}
	for i, b := range v.Broken {
		if b.Index != i+1 || !strings.Contains(b.Err.Error(), b.Name) {
			t.Errorf("%+v", b)
		}
	}
}
