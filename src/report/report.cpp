#include "report/report.h"

#include "core/metric_facts.h"
#include "core/printed.h"

namespace dsc {

void StatisticRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "What was counted or measured."});
  visit("value", value, {.text = "The figure."});
  visit("unit", unit, {.text = "Its unit; empty: a plain number."});
}

void TableRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "Title of the table."});
  visit("columns", columns, {.text = "Column titles."});
  visit("rows", rows, {.text = "Cells as text, row by row."});
}

void CurveRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "What the curve shows, e.g. train_loss."});
  visit("epochs", epochs, {.text = "Positions of the points.", .unit = "epochs"});
  visit("values", values, {.text = "Values of the points."});
  visit("seconds", seconds, {.text = "When each point was made, since the step began.", .unit = "s"});
}

void StepRecord::fields(FieldVisitor& visit) {
  visit("index", index, {.text = "Position in the recipe; 0 is the model before any pass."});
  visit("name", name, {.text = "Name of the step."});
  visit("pass", pass, {.text = "Id of the pass; empty for the base."});
  visit("seconds", seconds, {.text = "Wall time of the pass, evaluation excluded; of all its sessions if it was resumed.", .unit = "s"});
  visit("changed", changed, {.text = "Whether the pass changed the model."});
  visit("metrics", metrics, {.text = "Metrics on the eval split after the step, run by LibTorch."});
  visit("parameters", parameters, {.text = "Number of trainable parameters."});
  visit("macs", macs, {.text = "Multiply-accumulate operations for one example."});
  visit("size_bytes", size_bytes, {.text = "Size of the weights stored in their real width.", .unit = "bytes"});
  visit("robustness", robustness, {.text = "Metrics under each corruption and attack; empty: not tried."});
  visit("robustness_figures", robustness_figures, {.text = "What they come to, as gates name it."});
  visit("statistics", statistics, {.text = "Figures reported by the pass."});
  visit("notes", notes, {.text = "Findings reported by the pass."});
  visit("tables", tables, {.text = "Tables reported by the pass."});
  visit("curves", curves, {.text = "Training curves."});
  visit("latency", latency, {.text = "The step's model beside the base; absent: not timed."});
}

void RobustnessRecord::fields(FieldVisitor& visit) {
  visit("test", test, {.text = "Corruption or attack, as the recipe names it."});
  visit("severity", severity, {.text = "Severity of a corruption, 1 to 5; 0: an attack."});
  visit("metrics", metrics, {.text = "Metrics on what became of the eval split, run by LibTorch."});
}

void RobustnessFigure::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "worst_METRIC, corrupted_METRIC (mean over corruptions and severities) or TEST_METRIC (mean over severities)."});
  visit("metric", metric, {.text = "The metric that it is one of."});
  visit("value", value, {.text = "The figure."});
}

void LatencyRecord::fields(FieldVisitor& visit) {
  visit("model", model, {.text = "Which model was timed: base or compressed."});
  visit("engine", engine, {.text = "What ran it."});
  visit("batch", batch, {.text = "Examples per run."});
  visit("runs", runs, {.text = "Counted runs, interleaved with those of the other engines."});
  visit("p50_ms", p50_ms, {.text = "Median.", .unit = "ms"});
  visit("p90_ms", p90_ms, {.text = "90th percentile.", .unit = "ms"});
  visit("p99_ms", p99_ms, {.text = "99th percentile.", .unit = "ms"});
  visit("min_ms", min_ms, {.text = "Minimum.", .unit = "ms"});
  visit("spread", spread, {.text = "(p75 - p25) / p50.", .unit = "fraction"});
  visit("throughput_per_s", throughput_per_s, {.text = "Examples a second at the median.", .unit = "1/s"});
}

void DeployedRecord::fields(FieldVisitor& visit) {
  visit("engine", engine, {.text = "What ran the model."});
  visit("metrics", metrics, {.text = "Metrics on the eval split."});
  visit("layers_total", layers_total, {.text = "Convolutions, linears and matrix products in the compiled model."});
  visit("layers_int8", layers_int8, {.text = "How many of them run in 8-bit integer kernels."});
  visit("layers_not_int8", layers_not_int8, {.text = "Names of those that do not."});
  visit("layers_by_device", layers_by_device, {.text = "Executed layers on each device."});
  visit("timed_batch", timed_batch, {.text = "Examples per run with which `layers` were timed; 0: they were not."});
  visit("layers", layers, {.text = "Executed layers that took time."});
}

void GenerationRecord::fields(FieldVisitor& visit) {
  visit("model", model, {.text = "base or compressed."});
  visit("engine", engine, {.text = "Engine, device and precision."});
  visit("prompt", prompt, {.text = "Length of the prompts.", .unit = "tokens"});
  visit("tokens", tokens, {.text = "Length of the texts generated.", .unit = "tokens"});
  visit("rounds", rounds, {.text = "Texts that count."});
  visit("first_token_ms", first_token_ms, {.text = "Time until the first token: the median.", .unit = "ms"});
  visit("tokens_per_second", tokens_per_second, {.text = "Tokens a second behind the first: the median."});
  visit("spread", spread, {.text = "Of tokens_per_second: (most - least) / median.", .unit = "fraction"});
}

void FileRecord::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "File, relative to the run folder."});
  visit("format", format, {.text = "pt2, safetensors, openvino or onnx."});
  visit("size_bytes", size_bytes, {.text = "Bytes on disk.", .unit = "bytes"});
  visit("base_size_bytes", base_size_bytes, {.text = "The base model in the same format; 0: not measured.", .unit = "bytes"});
  visit("check", check, {.text = "How the file was checked after it was written."});
}

void GateRecord::fields(FieldVisitor& visit) {
  visit("metric", metric, {.text = "What is gated."});
  visit("rule", rule, {.text = "The rule as in the recipe."});
  visit("measured", measured, {.text = "The measured figure; absent: it is missing."});
  visit("bound", bound, {.text = "The bound it is compared with."});
  visit("passed", passed, {.text = "Whether the gate passed."});
  visit("message", message, {.text = "The comparison in words."});
}

void OverrideRecord::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "Path in the recipe."});
  visit("value", value, {.text = "The value given."});
  visit("origin", origin, {.text = "Where it was given."});
}

void PredictionsRecord::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "File, relative to the run folder."});
  visit("examples", examples, {.text = "Fingerprint of the examples as the models saw them: runs with the same can be compared in pairs."});
  visit("count", count, {.text = "How many examples."});
  visit("metrics_version", metrics_version, {.text = "Version of what the metrics mean."});
}

void Report::fields(FieldVisitor& visit) {
  visit("version", version, {.text = "Version of this format."});
  visit("tool_version", tool_version, {.text = "Version of dscompress."});
  visit("name", name, {.text = "Name of the recipe."});
  visit("title", title, {.text = "Heading of the report; absent: the name.", .only_if_given = true});
  visit("recipe", recipe, {.text = "Path of the recipe."});
  visit("model", model, {.text = "Path of the model."});
  visit("status", status, {.text = "running, passed, failed, anomalous, interrupted or error."});
  visit("error", error, {.text = "What ended the run, if it failed."});
  visit("started_at", started_at, {.text = "Start of the run in UTC, ISO 8601."});
  visit("seconds", seconds, {.text = "Wall time of the run; of all its sessions if it was resumed, up to their last checkpoints.", .unit = "s"});
  visit("machine", machine, {.text = "Processor, cores, memory."});
  visit("threads", threads, {.text = "Threads of LibTorch's and OpenVINO's kernels."});
  visit("seed", seed, {.text = "The run's seed."});
  visit("device", device, {.text = "Where LibTorch ran."});
  visit("baseline", baseline, {.text = "Index of the step that everything is compared with."});
  visit("steps", steps, {.text = "The base and every pass."});
  visit("deployed", deployed, {.text = "The final model in its deployed form."});
  visit("latency", latency, {.text = "Latencies, all measured interleaved in this run."});
  visit("generation", generation, {.text = "How fast a language model that keeps keys and values generates, base and compressed in turn."});
  visit("files", files, {.text = "Files written."});
  visit("gates", gates, {.text = "Results of the gates."});
  visit("layers", layers, {.text = "Layers with weights, before and after."});
  visit("classes", classes, {.text = "Which classes were taken for which; absent: the model does not choose one class for each example."});
  visit("examples", examples, {.text = "Examples that went most wrong."});
  visit("overrides", overrides, {.text = "What was set from outside the recipe file."});
  visit("predictions", predictions, {.text = "What became of each example; absent: nothing was evaluated."});
  visit("peak_memory_bytes", peak_memory_bytes, {.text = "Resident memory of the run's process at its largest; of the last part if it was resumed.", .unit = "bytes"});
  visit("notes", notes, {.text = "Findings about the run as a whole."});
}

bool larger_is_better(const std::string& metric) { return !metric_facts(metric).smaller_is_better; }

std::string format_metric(const std::string& metric, double value) {
  return is_share(metric) ? printed("%.2f %%", 100 * value) : printed("%.4f", value);
}

const StepRecord& baseline_step(const Report& report) {
  for (const auto& step : report.steps) {
    if (step.index == report.baseline) return step;
  }
  return report.steps.front();  // an interrupted run may not have reached its baseline
}

Comparison compare_ends(const Report& report) {
  Comparison result;
  if (report.steps.empty()) return result;
  const auto &first = baseline_step(report), &last = report.steps.back();
  result.base = first.metrics;
  result.compressed = report.deployed.empty() ? last.metrics : report.deployed.front().metrics;
  const auto ratio = [](double base, double now) { return now > 0 ? std::optional(base / now) : std::nullopt; };
  result.size_ratio = ratio(static_cast<double>(first.size_bytes), static_cast<double>(last.size_bytes));
  result.macs_ratio = ratio(first.macs, last.macs);
  result.parameters_ratio = ratio(static_cast<double>(first.parameters), static_cast<double>(last.parameters));
  const LatencyRecord *base = nullptr, *deployed = nullptr;
  for (const auto& record : report.latency) {
    if (!base && record.model == "base" && record.engine.starts_with("libtorch")) base = &record;
  }
  for (const auto& record : report.latency) {
    const bool same_batch = base && record.batch == base->batch;
    if (!same_batch || record.model != "compressed") continue;
    if (!deployed || !record.engine.starts_with("libtorch")) deployed = &record;
  }
  if (base && deployed) result.latency_speedup = ratio(base->p50_ms, deployed->p50_ms);
  return result;
}

}  // namespace dsc
