// Package infer runs trained models on images from your own program.
//
//	m, err := infer.Open("runs/flowers") // or a checkpoint, an export, weights of timm
//	// …
//	defer m.Close()
//	classes, err := m.ClassifyBytes(ctx, file)
//	fmt.Println(classes[0][0].Label, classes[0][0].Prob)
//
// An image becomes exactly the same numbers as in fasternet-train's eval and predict: decoding,
// EXIF orientation, resize, crop and normalisation follow the model's configuration. The logits
// are equal to the bit, whatever images are computed together.
//
// A [Model] is safe for any number of goroutines. Images that wait at the same time are computed
// together; a single image is computed at once. Callers wait if there is no room, so the options
// alone limit the memory of a model. [Model.Infer] with reused results allocates nothing for
// tensors and for the usual images in memory; decoders of image files allocate the pixels of the
// file.
//
// The package needs no code for training. Its exported names stay: later versions may add more.
package infer
