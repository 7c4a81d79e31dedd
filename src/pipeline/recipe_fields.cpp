// What the sections of a recipe accept.
#include <algorithm>
#include <array>

#include "core/metric_facts.h"
#include "eval/metrics.h"
#include "io/torchscript.h"
#include "pipeline/recipe.h"

namespace dsc {
namespace {

using Words = std::span<const std::string_view>;

// A text that must be one of a few words.
void describe_word(ValueVisitor& visit, std::string& value, Words words) {
  const auto found = std::find(words.begin(), words.end(), value);
  auto index = found == words.end() ? std::size_t{0} : static_cast<std::size_t>(found - words.begin());
  visit.choice(words, index);
  value = words[index];
}

void visit_word(FieldVisitor& visit, std::string_view name, std::string& value, Words words, const Doc& doc) {
  visit.field(name, doc, [&](ValueVisitor& inner) { describe_word(inner, value, words); });
}

// A list of such words.
void visit_words(FieldVisitor& visit, std::string_view name, std::vector<std::string>& list, Words words, const Doc& doc) {
  visit.field(name, doc, [&](ValueVisitor& inner) {
    inner.list({.size = list.size(),
                .resize = [&](std::size_t size) { list.resize(size); },
                .element = [&](std::size_t i, ValueVisitor& element) { describe_word(element, list[i], words); },
                .prototype =
                    [&](ValueVisitor& element) {
                      std::string word(words.front());
                      describe_word(element, word, words);
                    }});
  });
}

void visit_settings(FieldVisitor& visit, std::string& metric) {
  const MetricFacts& facts = metric_facts(metric);
  MetricSettings settings = metric_settings(metric);
  for (const MetricSetting& setting : facts.settings) {
    visit(setting.name, settings.find(setting.name)->second,
          {.text = std::string(setting.text), .unit = std::string(setting.unit), .minimum = setting.least, .maximum = setting.most});
  }
  std::string label = metric_label(metric);
  if (facts.of_label) {
    visit("label", label, {.text = "One of the data's `labels`, and the output that it belongs to; empty: the label itself.", .only_if_given = true});
    visit.check(label.find_first_of(" ()=") == std::string::npos ? "" : "label: `" + label + "` cannot be one of the data's labels");
  }
  metric = metric_text(facts.name, settings, label);
}

// A metric by its name, or with settings: `dtw`, `dtw: {band: 10}`.
void describe_metric(ValueVisitor& visit, std::string& metric) {
  VariantAccess access;
  for (const auto& name : metric_names()) {
    if (!metric.empty() && metric_facts(metric).name == name) access.current = access.alternatives.size();
    access.alternatives.push_back({name, "", [name](FieldVisitor& inner) {
                                     std::string made = name;
                                     visit_settings(inner, made);
                                   }});
  }
  access.choose = [&](std::size_t i) { metric = metric_names()[i]; };
  access.fields = [&](FieldVisitor& inner) { visit_settings(inner, metric); };
  visit.variant(std::move(access));
}

constexpr std::array<std::string_view, 2> kEngines{"openvino", "libtorch"};
constexpr std::array<std::string_view, 3> kPrecisions{"f32", "bf16", "f16"};
constexpr std::array<std::string_view, 2> kPerformance{"latency", "throughput"};
constexpr std::array<std::string_view, 6> kReportFormats{"markdown", "html", "junit", "prometheus", "tensorboard", "csv"};

bool has_duplicates(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  return std::adjacent_find(list.begin(), list.end()) != list.end();
}

std::string problem_with_inputs(const std::vector<std::string>& inputs) {
  try {
    for (const auto& input : inputs) parse_input_spec(input);
  } catch (const Error& error) {
    return "inputs: " + error.problems().front().message + "; " + error.problems().front().hint;
  }
  return {};
}

constexpr const char* kBaselineGates = "baseline";

// Gates by metric, and `baseline` among them with rules of its own.
void describe_gates(ValueVisitor& visit, std::map<std::string, GateConfig>& gates, BaselineRules& baseline) {
  std::vector<std::string> keys;
  for (const auto& [metric, gate] : gates) keys.push_back(metric);
  if (!baseline.empty()) keys.emplace_back(kBaselineGates);
  visit.map({.keys = std::move(keys),
             .clear =
                 [&] {
                   gates.clear();
                   baseline.clear();
                 },
             .value =
                 [&](const std::string& key, ValueVisitor& inner) {
                   if (key == kBaselineGates) describe(inner, baseline);
                   else describe(inner, gates[key]);
                 },
             .prototype =
                 [](ValueVisitor& inner) {
                   GateConfig gate;
                   describe(inner, gate);
                 }});
}

std::string problem_with_version(std::int64_t version) {
  return version == kRecipeVersion ? "" : "recipe version " + std::to_string(version) + " is not known; this program reads version 1";
}

}  // namespace

void ModelConfig::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "The exported model: .pt2, or TorchScript .pt.", .required = true});
  visit("weights", weights,
        {.text = "A .safetensors file or a checkpoint's folder whose tensors replace the model's, by name, or are those that it lacks; empty: keep "
                 "the model's."});
  visit("inputs", inputs,
        {.text = "Shapes of a TorchScript model's inputs, names for sizes that may change: \"image=batch,3,224,224\", \"ids=batch,sequence@128:i64\"."});
  visit.check(problem_with_inputs(inputs));
}

void LatencyConfig::fields(FieldVisitor& visit) {
  visit_word(visit, "engine", engine, kEngines, {.text = "What runs the compressed model."});
  visit("batch", batch, {.text = "Batch sizes to measure.", .minimum = 1, .maximum = 65536});
  visit("size", size, {.text = "Size of the other open dimensions: sequence length, resolution; 0: as in the exported example.", .minimum = 0, .maximum = 1048576});
  visit("threads", threads, {.text = "Threads while measuring; 0: those of the run.", .minimum = 0, .maximum = 4096});
  visit("warmup", warmup, {.text = "Runs before any counts.", .unit = "runs", .minimum = 0, .maximum = 100000});
  visit("iterations", iterations, {.text = "Counted runs at least.", .unit = "runs", .minimum = 1, .maximum = 1000000});
  visit("min_seconds", min_seconds, {.text = "Measured time at least.", .unit = "seconds", .minimum = 0, .maximum = 86400});
  visit("max_seconds", max_seconds, {.text = "Measured time at most.", .unit = "seconds", .minimum = 0.001, .maximum = 86400});
  visit.check(batch.empty() ? "batch is empty: name at least one batch size" : "");
  visit.check(min_seconds > max_seconds ? "min_seconds is larger than max_seconds" : "");
}

void EvaluateConfig::fields(FieldVisitor& visit) {
  visit.field("metrics", {.text = "Figures of merit, on data.eval."}, [&](ValueVisitor& inner) {
    inner.list({.size = metrics.size(),
                .resize = [&](std::size_t size) { metrics.resize(size); },
                .element = [&](std::size_t i, ValueVisitor& element) { describe_metric(element, metrics[i]); },
                .prototype =
                    [](ValueVisitor& element) {
                      std::string metric;
                      describe_metric(element, metric);
                    }});
  });
  visit("batch", batch, {.text = "Examples at a time.", .unit = "examples", .minimum = 1, .maximum = 1048576});
  visit("baseline", baseline, {.text = "Name of the step that everything is compared with; empty: the model as it was loaded."});
  visit("windows", windows,
        {.text = "Evaluate long series, pictures or texts in overlapping windows; absent: whole, as generated texts always are."});
  visit("latency", latency, {.text = "Measure latency of base and compressed model; absent: no."});
  visit("robustness", robustness, {.text = "Corruptions of data.eval and attacks that the metrics are measured under as well."});
  visit("robustness_steps", robustness_steps, {.text = "After which steps, besides the baseline: all, or the last one."});
}

void OpenVinoDeploy::fields(FieldVisitor& visit) {
  visit("device", device, {.text = "CPU, GPU, NPU, AUTO, HETERO:GPU,CPU, ..."});
  visit_word(visit, "precision", precision, kPrecisions, {.text = "Precision of what is not quantised."});
  visit_word(visit, "performance", performance, kPerformance, {.text = "What OpenVINO optimises for."});
  visit("require_device", require_device, {.text = "Fail unless every layer runs on the devices named, the first of AUTO's; otherwise AUTO may choose another."});
  visit("stateful", stateful, {.text = "Write generation/openvino_model.xml too: a language model that keeps keys and values, for openvino_genai and dscompress generate."});
  visit("tokenizer", tokenizer, {.text = "Folder whose tokenizer and configuration files are copied beside it (scripts/export_tokenizer.py --generation); empty: none."});
  visit.check(!tokenizer.empty() && !stateful ? "tokenizer belongs to a stateful model: give stateful: true" : "");
  visit.check(device.empty() ? "device is empty; the processor is CPU" : "");
}

void DeployConfig::fields(FieldVisitor& visit) {
  visit("openvino", openvino, {.text = "Write OpenVINO IR, evaluate and measure it; absent: no."});
  visit("export", exports, {.text = "Files to write besides model.pt2 and model.safetensors; the format follows from the name."});
  visit.check(has_duplicates(exports) ? "export names a file twice" : "");
}

void GateConfig::fields(FieldVisitor& visit) {
  visit("max_drop", max_drop,
        {.text = "Largest loss against the base: 0.5pp (percentage points) or 2% (of the base's value).", .minimum = 0, .units = {"", "pp", "%"}});
  visit("min", min, {.text = "Smallest value."});
  visit("max", max, {.text = "Largest value."});
  visit("min_ratio", min_ratio, {.text = "How many times smaller than the base at least.", .minimum = 0});
  visit("max_ratio", max_ratio, {.text = "How many times smaller than the base at most.", .minimum = 0});
  visit("min_speedup", min_speedup, {.text = "How many times faster than the base at least.", .minimum = 0});
  const bool any = max_drop || min || max || min_ratio || max_ratio || min_speedup;
  visit.check(any ? "" : "no rule; give max_drop, min, max, min_ratio, max_ratio or min_speedup");
  visit.check(min && max && *min > *max ? "min is larger than max" : "");
  visit.check(min_ratio && max_ratio && *min_ratio > *max_ratio ? "min_ratio is larger than max_ratio" : "");
}

void ReportConfig::fields(FieldVisitor& visit) {
  visit("title", title, {.text = "Heading of the report; empty: the recipe's name."});
  visit_words(visit, "formats", formats, kReportFormats,
              {.text = "Forms of the report besides report.json; tensorboard and csv: the curves, while they are made."});
  visit.check(has_duplicates(formats) ? "formats names one twice" : "");
  visit("examples", examples, {.text = "Examples of data.eval to show of each kind that went most wrong, pictures and texts included; 0: none.", .minimum = 0, .maximum = 50});
}

void Recipe::fields(FieldVisitor& visit) {
  visit("version", version, {.text = "Version of the recipe grammar: 1.", .required = true});
  visit("name", name, {.text = "Name of the experiment; empty: the file's name."});
  visit("model", model, {.text = "The model to compress.", .required = true});
  visit("data", data, {.text = "What to train and evaluate on."});
  visit("evaluate", evaluate, {.text = "What is measured, before the first pass and after each."});
  visit("passes", passes, {.text = "What is done to the model, in this order."});
  visit("deploy", deploy, {.text = "The form in which the model is used."});
  visit.field("gates", {.text = "What the result must keep; the program exits with 1 otherwise."}, [this](ValueVisitor& inner) { describe_gates(inner, gates, baseline_gates); });
  visit("report", report, {.text = "How the results are shown."});
  visit("seed", seed, {.text = "Seed of everything random.", .minimum = 0});
  visit("threads", threads, {.text = "Threads of LibTorch and OpenVINO, in each process; 0: all cores this process may use, or its share of them.", .minimum = 0, .maximum = 4096});
  visit("processes", processes, {.text = "Processes that train together, each on its part of every batch; batches stay what they are.", .minimum = 1, .maximum = 1024});
  visit("device", device, {.text = "Where training and evaluation run: cpu, cuda, cuda:1."});
  visit("limit", limit, {.text = "At most so many examples of each split, for smoke runs; 0: all.", .unit = "examples", .minimum = 0});
  visit("output_dir", output_dir, {.text = "The run folder; empty: a new one below runs/."});
  visit.check(problem_with_version(version));
}

}  // namespace dsc
