package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	kept := filepath.Join(home, ".cache", "huggingface", "token")
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		want Settings // with HOME for the home
	}{
		{"nothing", nil,
			Settings{
				Endpoint: DefaultEndpoint,
				Token:    "kept",
				Cache:    "HOME/.cache/huggingface/hub",
				URLCache: "HOME/.cache/fasternet-train/weights",
			}},
		{"no implicit token", map[string]string{"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"},
			Settings{
				Endpoint: DefaultEndpoint,
				Cache:    "HOME/.cache/huggingface/hub",
				URLCache: "HOME/.cache/fasternet-train/weights",
			}},
		{"endpoint and token",
			map[string]string{"HF_ENDPOINT": "http://mirror:8080/hf/", "HF_TOKEN": " mine \n"},
			Settings{
				Endpoint: "http://mirror:8080/hf",
				Token:    "mine",
				Cache:    "HOME/.cache/huggingface/hub",
				URLCache: "HOME/.cache/fasternet-train/weights",
			}},
		{"HF_HOME", map[string]string{"HF_HOME": "~/hf"},
			Settings{Endpoint: DefaultEndpoint, Cache: "HOME/hf/hub", URLCache: "HOME/.cache/fasternet-train/weights"}},
		{"HF_HUB_CACHE", map[string]string{"HF_HOME": "/a", "HF_HUB_CACHE": "$HOME/c"},
			Settings{Endpoint: DefaultEndpoint, Cache: "HOME/c", URLCache: "HOME/.cache/fasternet-train/weights"}},
		{"old name", map[string]string{"HUGGINGFACE_HUB_CACHE": "/c"},
			Settings{
				Endpoint: DefaultEndpoint,
				Token:    "kept",
				Cache:    "/c",
				URLCache: "HOME/.cache/fasternet-train/weights",
			}},
		{"XDG_CACHE_HOME", map[string]string{"XDG_CACHE_HOME": "/x"},
			Settings{Endpoint: DefaultEndpoint, Cache: "/x/huggingface/hub", URLCache: "/x/fasternet-train/weights"}},
		{"offline", map[string]string{"HF_HUB_OFFLINE": "yes"},
			Settings{
				Endpoint: DefaultEndpoint,
				Token:    "kept",
				Offline:  true,
				Cache:    "HOME/.cache/huggingface/hub",
				URLCache: "HOME/.cache/fasternet-train/weights",
			}},
		{"not offline", map[string]string{"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"},
			Settings{
				Endpoint: DefaultEndpoint,
				Token:    "kept",
				Cache:    "HOME/.cache/huggingface/hub",
				URLCache: "HOME/.cache/fasternet-train/weights",
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := environment(func(name string) string {
				if name == "HOME" {
					return home
				}
				return c.env[name]
			})
			if err != nil {
				t.Fatal(err)
			}
			c.want.Timeout = 10 * time.Second
			c.want.Cache = strings.Replace(c.want.Cache, "HOME", home, 1)
			c.want.URLCache = strings.Replace(c.want.URLCache, "HOME", home, 1)
			if got != c.want {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
		})
	}
	for _, c := range []struct{ name, value string }{
		{"HF_ENDPOINT", "huggingface.co"},
		{"HF_ENDPOINT", "ftp://a"},
		{"HF_ENDPOINT", "https://user:secret@a"},
		{"HF_ENDPOINT", "https://a?x=secret"},
		{"HF_TOKEN", "secret\nX-Injected: 1"},
		{"HF_TOKEN", "secreté"},
		{"HF_HUB_DOWNLOAD_TIMEOUT", "soon"},
		{"HF_HUB_DOWNLOAD_TIMEOUT", "0"},
	} {
		_, err := environment(func(name string) string {
			switch name {
			case "HOME":
				return home
			case c.name:
				return c.value
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), c.name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s=%q: %v", c.name, c.value, err)
		}
	}
}
