//go:build amd64 && !linux

package kernels

import "errors"

func permitTiles() error { return errors.New("AMX is used on Linux only") }
