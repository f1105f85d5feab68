// Package fetch lets a program that uses package infer open weights of the Hugging Face hub
// (hf://ORG/NAME) and of URLs as if they were files. Import it for its effect:
//
//	import _ "fasternet/infer/fetch"
//
// Without it, package infer uses no network. The environment says where the hub and the cache
// are, as for the commands.
package fetch

import (
	"context"

	"fasternet/internal/hub"
)

func init() {
	hub.Use(context.Background(), func() (*hub.Client, error) {
		s, err := hub.Environment()
		if err != nil {
			return nil, err
		}
		return hub.NewClient(s, "infer", nil)
	})
}
