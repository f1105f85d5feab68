//go:build !race

package sets

import "testing"

// The published sums belong to the real files, and a folder serves as a mirror.
func TestFetchRealFashionMNIST(t *testing.T) {
	if _, err := firstWithFashionMNIST(debianFashionMNIST); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := FetchFashionMNIST(t.Context(), dir, FetchOptions{Mirrors: []string{}}); err != nil {
		t.Fatal(err)
	}
	if d, err := OpenFashionMNIST(dir, false); err != nil || d.Len() != 10000 {
		t.Error(err)
	}
}
