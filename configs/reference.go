package configs

import "fasternet/internal/reference"

// checkReference checks paths that name the hub or a URL. It accepts any other path.
func checkReference(key, path string) *problem {
	if !reference.IsReference(path) {
		return nil
	}
	if _, err := reference.Parse(path); err != nil {
		return wrong(key, "%v", err)
	}
	return nil
}
