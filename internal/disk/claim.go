package disk

import (
	"path/filepath"
	"sync"
)

// claims lists folders in which every operation must be allowed.
var claims struct {
	sync.RWMutex
	list []*claim
}

type claim struct {
	dir     string
	allowed func() error
}

// Claim makes every operation in a folder, or deeper, ask first. If allowed returns an error, the
// operation fails with it. So one check tells a process that its folder now belongs to another one,
// before it writes anything. allowed must not use this package.
func Claim(dir string, allowed func() error) (release func()) {
	c := &claim{filepath.Clean(dir), allowed}
	claims.Lock()
	defer claims.Unlock()
	claims.list = append(claims.list, c)
	return func() {
		claims.Lock()
		defer claims.Unlock()
		for i, other := range claims.list {
			if other == c {
				claims.list = append(claims.list[:i:i], claims.list[i+1:]...)
				return
			}
		}
	}
}

func claimed() []*claim {
	claims.RLock()
	defer claims.RUnlock()
	return claims.list
}

// ask asks before every operation.
func ask(path string) error {
	path = filepath.Clean(path)
	for _, c := range claimed() {
		if c.has(path) {
			if err := c.allowed(); err != nil {
				return err
			}
		}
	}
	return nil
}
