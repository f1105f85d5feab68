//go:build !unix

package disk

// syncFolder does nothing: the system has no way to sync a folder.
func syncFolder(string) error { return nil }
