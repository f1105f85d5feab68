package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// guard lets requests with the token through. It takes the same time for any wrong token.
func (s *Server) guard(h http.HandlerFunc) http.HandlerFunc {
	if s.options.Token == "" {
		return h
	}
	want := sha256.Sum256([]byte(s.options.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, &failure{
				status: http.StatusUnauthorized,
				err:    errors.New("want the token of this server: Authorization: Bearer TOKEN"),
			})
			return
		}
		h(w, r)
	}
}
