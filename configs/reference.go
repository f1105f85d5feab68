package configs

import "fasternet/internal/reference"

// checkReference says whether a path that names the hub or a URL names weights there. Any other
// path is as good as another.
func checkReference(key, path string) *problem {
	if !reference.IsReference(path) {
		return nil
	}
	if _, err := reference.Parse(path); err != nil {
		return wrong(key, "%v", err)
	}
	return nil
}
