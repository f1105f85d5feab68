package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"fasternet/infer"
	"fasternet/internal/printable"
)

// failure is an error with the status of its answer.
type failure struct {
	status int
	err    error
	reason string // for the metric of refusals; "" if it does not count there
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// bad returns an error for a mistake of the client.
func bad(format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, err: fmt.Errorf(format, args...)}
}

// unavailable returns an error for a request that may be tried again.
func unavailable(reason, format string, args ...any) error {
	return &failure{status: http.StatusServiceUnavailable, err: fmt.Errorf(format, args...), reason: reason}
}

// statusGone is the status for clients that have closed the connection; only the log shows it.
const statusGone = 499

// asFailure finds the status of an error.
func asFailure(err error) *failure {
	var f *failure
	var image *infer.ImageError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &image):
		return &failure{status: http.StatusBadRequest, err: fmt.Errorf("image %d: %w", image.Index, image.Err)}
	case errors.As(err, &large):
		return &failure{
			status: http.StatusRequestEntityTooLarge,
			err:    fmt.Errorf("the body has more than %d bytes", large.Limit),
		}
	case errors.Is(err, infer.ErrNoClassifier):
		return &failure{
			status: http.StatusBadRequest,
			err:    errors.New("the model has no classifier: it gives features only"),
		}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{
			status: http.StatusServiceUnavailable,
			err:    errors.New("the request took too long: the server is too busy"),
			reason: "time",
		}
	case errors.Is(err, context.Canceled):
		return &failure{status: statusGone, err: errors.New("the client has closed the connection")}
	}
	return &failure{status: http.StatusInternalServerError, err: err}
}

// refuse answers with an error: one line in {"error": …}.
func refuse(w http.ResponseWriter, err error) {
	f := asFailure(err)
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	answer(w, f.status, map[string]string{"error": printable.Error(f)})
}

// answer answers with a JSON object.
func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // a NaN, which JSON does not allow
		status = http.StatusInternalServerError
		text = []byte(`{"error":"the result is not finite, which JSON cannot express: ask for binary data"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}
