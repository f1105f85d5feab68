package serve

import (
	"net/http"

	"fasternet/infer"
)

// theVersion is the version of every model: the current file.
const theVersion = "1"

// The tensors of a model. A request has one of the inputs.
const (
	inputTensor  = "input"         // FP32 [-1, channels, size, size]: prepared images, as for exports to ONNX
	inputFiles   = "image"         // BYTES [-1]: the content of image files
	inputPixels  = "pixels"        // UINT8 [-1, height, width, channels]: unprepared images of any size
	outputLogits = "logits"        // FP32 [-1, classes]
	outputProbs  = "probabilities" // FP32 [-1, classes]: their softmax
	outputValues = "features"      // FP32 [-1, features]: the input of the last linear layer
)

// tensor describes an input or an output.
type tensor struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"` // -1 for any size
}

func inputsOf(i infer.Info) []tensor {
	return []tensor{
		{inputTensor, "FP32", []int{-1, i.Channels, i.Size, i.Size}},
		{inputFiles, "BYTES", []int{-1}},
		{inputPixels, "UINT8", []int{-1, -1, -1, i.Channels}},
	}
}

func outputsOf(i infer.Info) []tensor {
	features := tensor{outputValues, "FP32", []int{-1, i.Features}}
	if i.Classes == 0 {
		return []tensor{features}
	}
	return []tensor{{outputLogits, "FP32", []int{-1, i.Classes}}, {outputProbs, "FP32", []int{-1, i.Classes}}, features}
}

// about describes the server.
func (s *Server) about(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"name":       "fasternet-train",
		"version":    s.options.Version,
		"extensions": []string{"binary_tensor_data", "classification", "model_repository"},
	})
}

// ready says whether the server takes requests.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	status := http.StatusOK
	if s.draining.Load() {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, map[string]bool{"ready": status == http.StatusOK})
}

func (s *Server) modelReady(w http.ResponseWriter, _ *http.Request, e *entry) {
	status := http.StatusOK
	if s.draining.Load() {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, map[string]any{"name": e.name, "ready": status == http.StatusOK})
}

// describe returns the metadata of a model.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request, e *entry) {
	i := e.current.Load().Info()
	answer(w, http.StatusOK, map[string]any{
		"name": e.name, "versions": []string{theVersion}, "platform": "fasternet-train_" + i.Architecture,
		"inputs": inputsOf(i), "outputs": outputsOf(i),
	})
}

// index lists the models, like Triton's extension for repositories.
func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	list := make([]map[string]string, len(s.entries))
	for i, e := range s.entries {
		list[i] = map[string]string{"name": e.name, "version": theVersion, "state": "READY", "reason": ""}
	}
	answer(w, http.StatusOK, list)
}
