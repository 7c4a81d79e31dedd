#include "report/detail_records.h"

namespace dsc {

void StepLatencyRecord::fields(FieldVisitor& visit) {
  visit("engine", engine, {.text = "What ran the step's model."});
  visit("batch", batch, {.text = "Examples per run."});
  visit("p50_ms", p50_ms, {.text = "Median.", .unit = "ms"});
  visit("base_p50_ms", base_p50_ms, {.text = "Median of the base, timed in turn with it.", .unit = "ms"});
}

void LayerRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "Path of the module."});
  visit("type", type, {.text = "Operator."});
  visit("channels_before", channels_before, {.text = "Channels that it makes in the base; 0: it is not there."});
  visit("channels", channels, {.text = "Channels that it makes in the compressed model; 0: it is not there."});
  visit("macs_before", macs_before, {.text = "Multiply-accumulate operations for one example in the base."});
  visit("macs", macs, {.text = "The same in the compressed model."});
  visit("parameters_before", parameters_before, {.text = "Parameters in the base."});
  visit("parameters", parameters, {.text = "Parameters in the compressed model."});
  visit("weight_bits", weight_bits, {.text = "Width of its weights in the compressed model.", .unit = "bits"});
  visit("low", low, {.text = "Smallest value of its quantised weight."});
  visit("high", high, {.text = "Largest value of its quantised weight."});
  visit("histogram", histogram, {.text = "How often its quantised weight's values occur in equal parts of that range; empty: it is not quantised."});
}

void ExecutedLayerRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "The graph's nodes that it stands for."});
  visit("type", type, {.text = "The engine's kind of layer."});
  visit("precision", precision, {.text = "What it computed in."});
  visit("kernel", kernel, {.text = "The engine's kernel."});
  visit("time_ms", time_ms, {.text = "Time of one run, median of several.", .unit = "ms"});
  visit("macs", macs, {.text = "Multiply-accumulate operations of one run."});
  visit("bytes", bytes, {.text = "Activations and weights that one run has to move.", .unit = "bytes"});
}

void ConfusedRecord::fields(FieldVisitor& visit) {
  visit("label", label, {.text = "The right class."});
  visit("predicted", predicted, {.text = "The class that was chosen."});
  visit("base", base, {.text = "Examples for which the base did so."});
  visit("compressed", compressed, {.text = "Examples for which the compressed model did so."});
}

void ClassesRecord::fields(FieldVisitor& visit) {
  visit("names", names, {.text = "Names of the classes."});
  visit("base", base, {.text = "Examples by label and class chosen by the base; empty: more than 20 classes."});
  visit("compressed", compressed, {.text = "The same of the compressed model, as deployed where it is."});
  visit("confused", confused, {.text = "Which classes the compressed model confuses most."});
}

void ExampleRecord::fields(FieldVisitor& visit) {
  visit("of", of, {.text = "turned wrong (by compression), compressed, base: whose worst example it is."});
  visit("index", index, {.text = "Index in data.eval."});
  visit("label", label, {.text = "The right class."});
  visit("base", base, {.text = "The base's choice."});
  visit("compressed", compressed, {.text = "The compressed model's choice."});
  visit("base_loss", base_loss, {.text = "The base's cross entropy."});
  visit("compressed_loss", compressed_loss, {.text = "The compressed model's cross entropy."});
  visit("text", text, {.text = "The example, if it is text."});
  visit("picture", picture, {.text = "The example, if it is a picture: a small PNG as a data URI."});
}

}  // namespace dsc
