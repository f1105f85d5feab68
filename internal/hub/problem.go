package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"fasternet/internal/reference"
)

// Errors of fetching.
var (
	// ErrNotFound says that there is no such model, revision or file.
	ErrNotFound = errors.New("not found")
	// ErrDenied says that the user has no access.
	ErrDenied = errors.New("no access")
	// ErrOffline says that a file is not in the cache, and that no host may be asked.
	ErrOffline = errors.New("not in the cache, and HF_HUB_OFFLINE is set")
	// ErrDamaged says that the file differs from the file on the server.
	ErrDamaged = errors.New("the download is damaged")
)

// missingFile says that a repository has no file of that name. It may have other files.
type missingFile struct{ error }

func (m missingFile) Unwrap() error { return m.error }

// refusal returns the error for an answer without success.
func (c *Client) refusal(r reference.Reference, response *http.Response) error {
	status := response.StatusCode
	said := sentence(response)
	if r.URL != "" || !sameHost(response.Request.URL, c.endpoint) {
		return plainRefusal(r, response, said)
	}
	site := c.settings.Endpoint
	code := response.Header.Get("X-Error-Code")
	if code == "EntryNotFound" {
		return missingFile{fmt.Errorf("%s: %w: the hub has no such file", r, ErrNotFound)}
	}
	file := r
	r.File = "" // the other errors are about the model
	switch {
	case code == "RevisionNotFound":
		return fmt.Errorf("%s: %w: the model has no revision %q", r, ErrNotFound, r.Revision)
	case code == "GatedRepo" && c.settings.Token == "":
		return fmt.Errorf("%s: %w: the model is gated: accept its terms at %s/%s, "+
			"and set HF_TOKEN to a token of %[3]s/settings/tokens", r, ErrDenied, site, r.Repo)
	case code == "GatedRepo":
		return fmt.Errorf("%s: %w: the model is gated, and the account of the token has no access yet: "+
			"accept its terms at %s/%s", r, ErrDenied, site, r.Repo)
	case code == "DisabledRepo":
		return fmt.Errorf("%s: %w: the hub has disabled the model", r, ErrDenied)
	case status == http.StatusUnauthorized && c.settings.Token != "" && code != "RepoNotFound":
		return fmt.Errorf("%s: %w: the hub does not accept the token (HF_TOKEN, or the token of hf auth login)",
			r, ErrDenied)
	case code == "RepoNotFound":
		return fmt.Errorf("%s: %w: %s", r, ErrNotFound, c.noRepository(r))
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s: %w (401): %s", r, ErrDenied, c.noRepository(r))
	case status == http.StatusForbidden:
		return fmt.Errorf("%s: %w: the hub refuses it (403%s)%s: see %s/%s",
			r, ErrDenied, said, c.tokenHelp(), site, r.Repo)
	case status == http.StatusNotFound:
		return missingFile{fmt.Errorf("%s: %w (404): %s has no such model, revision or file%s",
			file, ErrNotFound, site, didYouMean(r.Repo))}
	}
	return unexpected("the hub "+site, response, said)
}

func (c *Client) tokenHelp() string {
	if c.settings.Token == "" {
		return ": a private or gated model needs a token in HF_TOKEN"
	}
	return ": the token in use has no access to it"
}

func (c *Client) noRepository(r reference.Reference) string {
	text := fmt.Sprintf("the hub %s has no model %s", c.settings.Endpoint, r.Repo)
	if c.settings.Token == "" {
		text += ", or it is gated or private: set HF_TOKEN to a token of an account with access"
	} else {
		text += ", or the token in use has no access to it"
	}
	return text + didYouMean(r.Repo)
}

func didYouMean(repo string) string {
	if near := nearest(repo); near != "" {
		return "; did you mean hf://" + near + "?"
	}
	return ""
}

// plainRefusal is refusal for a host that is not the hub.
func plainRefusal(r reference.Reference, response *http.Response, said string) error {
	where := reference.Shown(response.Request.URL.String())
	what := r.String()
	if where != what {
		what += " at " + response.Request.URL.Host
	}
	switch status := response.StatusCode; {
	case status == http.StatusNotFound || status == http.StatusGone:
		return missingFile{fmt.Errorf("%s: %w (%d)", what, ErrNotFound, status)}
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && r.URL == "":
		// The address that the hub gave has run out: it gives a new one.
		return temporary{fmt.Errorf("%s: %w: %d%s", what, ErrDenied, status, said), 0}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%s: %w: the server refuses it (%d%s)", what, ErrDenied, status, said)
	}
	return unexpected(what, response, said)
}

// unexpected returns the error of any other answer; a busy server is asked again.
func unexpected(what string, response *http.Response, said string) error {
	err := fmt.Errorf("%s answers %d %s%s", what, response.StatusCode, http.StatusText(response.StatusCode), said)
	if mayPass(response.StatusCode) {
		return temporary{err, retryAfter(response.Header)}
	}
	return err
}

// mayPass reports whether a server that answers so may answer otherwise a moment later.
func mayPass(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// sentence is what a server says about an error, cut to a line; "" if it says nothing.
func sentence(response *http.Response) string {
	text := response.Header.Get("X-Error-Message")
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if runes := []rune(text); len(runes) > 150 {
		text = string(runes[:150]) + "…"
	}
	if text == "" {
		return ""
	}
	return ": " + text
}
