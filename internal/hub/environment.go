package hub

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultEndpoint is the address of the hub, unless HF_ENDPOINT names a mirror.
const DefaultEndpoint = "https://huggingface.co"

// Settings come from the environment, with the variables of Python's huggingface_hub.
type Settings struct {
	Endpoint string // HF_ENDPOINT, without a slash at its end
	Token    string // HF_TOKEN, or the token that "hf auth login" has stored; "" for none
	Offline  bool   // HF_HUB_OFFLINE: no host is asked
	Cache    string // folder of models: HF_HUB_CACHE, or hub in HF_HOME
	URLCache string // folder of files from plain URLs
	// Timeout limits the wait for an answer of a server, and for the next bytes of a file
	// (HF_HUB_DOWNLOAD_TIMEOUT, in seconds).
	Timeout time.Duration
}

// Environment reads the settings of this process.
func Environment() (Settings, error) { return environment(os.Getenv) }

func environment(get func(string) string) (Settings, error) {
	s := Settings{Endpoint: DefaultEndpoint, Timeout: 10 * time.Second}
	if e := strings.TrimRight(strings.TrimSpace(get("HF_ENDPOINT")), "/"); e != "" {
		u, err := url.Parse(e)
		other := err != nil || u.Scheme != "https" && u.Scheme != "http"
		if other || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return s, fmt.Errorf("HF_ENDPOINT: want the address of a hub, such as %s", DefaultEndpoint)
		}
		s.Endpoint = e
	}
	s.Offline = isTrue(get("HF_HUB_OFFLINE")) || get("HF_HUB_OFFLINE") == "" && isTrue(get("TRANSFORMERS_OFFLINE"))
	if text := get("HF_HUB_DOWNLOAD_TIMEOUT"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 || seconds > 3600 {
			return s, fmt.Errorf("HF_HUB_DOWNLOAD_TIMEOUT: want seconds, 1 to 3600, got %q", text)
		}
		s.Timeout = time.Duration(seconds) * time.Second
	}
	if err := s.folders(get); err != nil {
		return s, err
	}
	return s, s.readToken(get)
}

// folders finds the folders of the caches.
func (s *Settings) folders(get func(string) string) error {
	caches := expand(get("XDG_CACHE_HOME"), get)
	if caches == "" {
		home, err := os.UserHomeDir()
		if h := get("HOME"); h != "" {
			home, err = h, nil
		}
		if err == nil {
			caches = filepath.Join(home, ".cache")
		}
	}
	home := expand(get("HF_HOME"), get)
	if home == "" && caches != "" {
		home = filepath.Join(caches, "huggingface")
	}
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if s.Cache == "" {
			s.Cache = expand(get(name), get)
		}
	}
	if s.Cache == "" && home != "" {
		s.Cache = filepath.Join(home, "hub")
	}
	if caches == "" && home != "" {
		caches = home
	}
	if s.Cache == "" || caches == "" {
		return errors.New("HOME is not set, so there is no folder for downloads: set HF_HOME to a folder")
	}
	s.URLCache = filepath.Join(caches, "fasternet-train", "weights")
	return nil
}

// expand replaces ~ and variables in a path, like Python.
func expand(path string, get func(string) string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		if home := get("HOME"); home != "" {
			path = home + path[1:]
		}
	}
	return os.Expand(path, get)
}

// readToken finds the token of the user, if there is one.
func (s *Settings) readToken(get func(string) string) error {
	where := "HF_TOKEN"
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if s.Token == "" {
			s.Token, where = strings.TrimSpace(get(name)), name
		}
	}
	if s.Token == "" && !isTrue(get("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		where = expand(get("HF_TOKEN_PATH"), get)
		if where == "" {
			home := expand(get("HF_HOME"), get)
			if home == "" { // the token is next to the default cache, even if HF_HUB_CACHE is set
				home = filepath.Join(filepath.Dir(filepath.Dir(s.URLCache)), "huggingface")
			}
			where = filepath.Join(home, "token")
		}
		text, err := readSmall(where, 4<<10)
		if err != nil { // it may not exist, or belong to somebody else
			return nil //nolint:nilerr // see above
		}
		s.Token = strings.TrimSpace(string(text))
	}
	if strings.ContainsFunc(s.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		s.Token = ""
		return fmt.Errorf("%s: it has characters that a token cannot have", where)
	}
	return nil
}

func isTrue(text string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(strings.TrimSpace(text)))
}
