// Package metrics computes the figures of a classifier from its logits and the labels.
//
// A [Collector] takes one image after the other, and [Collector.Figures] computes their
// figures. All figures are from 0 to 1, as in scikit-learn, unless they say otherwise, and
// equal scikit-learn's if it has them. A figure that is not defined is nil, and
// [Figures.Notes] says why.
//
// # Formulas
//
// With TP, FP and FN of a class: precision TP/(TP+FP), recall TP/(TP+FN), F1 2TP/(2TP+FP+FN);
// each is 0 if the divisor is 0. The macro average is the mean over the classes that
// are a label or an answer of some image; the weighted average counts a class by its images; the
// micro average uses the sums of TP, FP and FN. Balanced accuracy is the mean recall
// of the classes that have images.
//
// ROC-AUC is one-vs-rest: the probability of a class is the score, and the area follows Mann
// and Whitney (1947), where equal scores count half. The area is undefined for a class without
// images, and if all images are of one class; the averages leave it out. Average precision is
// Σ (Rₙ − Rₙ₋₁)·Pₙ over the distinct scores, without interpolation.
//
// ECE is the expected calibration error of Guo et al. ("On calibration of modern neural
// networks", 2017): the probability of the answer falls into one of 15 bins of equal width,
// (0, 1/15], (1/15, 2/15], …, and the error is the mean over the images of |accuracy −
// confidence| of their bins. The Brier score is the mean of Σ (pₖ − yₖ)² over the classes; with two
// classes, half of this (Brier 1950), as in scikit-learn. NLL is the mean of −ln p of the label.
//
// # Memory
//
// A collector keeps 52 bytes for each image, and its logits, 4 bytes for each class, if all of them
// fit into the limit that it was made with. ROC-AUC, average precision and curves need all logits:
// histograms of scores would take less memory, but give different values from scikit-learn.
package metrics
