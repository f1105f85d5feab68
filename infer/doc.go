// Package infer runs trained models on images from within a program of one's own.
//
//	m, err := infer.Open("runs/flowers") // or a checkpoint, an export, weights of timm
//	// …
//	defer m.Close()
//	classes, err := m.ClassifyBytes(ctx, file)
//	fmt.Println(classes[0][0].Label, classes[0][0].Prob)
//
// An image becomes exactly the numbers that it becomes in fasternet-train's eval and predict:
// decoding, EXIF orientation, resize, crop and normalisation follow the model's
// configuration, and the logits are the same bits, whatever images are computed with it.
//
// A [Model] is safe for any number of goroutines. Images that wait at the same time are computed
// together; an image that comes alone is computed at once. The memory of a model has a bound that
// depends on the options alone, because callers wait for room. [Model.Infer] with results that
// are used again allocates nothing for tensors and for the usual images in memory; decoders of
// image files allocate the pixels of the file.
//
// The package needs nothing of training. What it exports stays: later versions may add to it.
package infer
