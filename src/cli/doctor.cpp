// dscompress doctor: what this machine and build offer, for bug reports and before long runs.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cctype>
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/session.h"
#include "core/build_fingerprint.h"
#include "core/log.h"
#include "core/machine_limits.h"
#include "deploy/openvino_engine.h"
#include "exec/kernels/pointwise_convolution.h"
#include "exec/native_bf16.h"
#include "pipeline/version.h"

namespace dsc {
namespace {

// Which of the processor's features speed up low precision here.
std::vector<std::string> low_precision_features() {
  std::ifstream file("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) flags = line + " ";
  }
  std::vector<std::string> found;
  for (const auto* feature : {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"}) {
    if (flags.find(std::string(" ") + feature + " ") != std::string::npos) found.emplace_back(feature);
  }
  return found;
}

// What the environment tells oneDNN not to go beyond, in capitals; oneDNN reads it in any case. Empty: nothing.
std::string onednn_cap() {
  const char* given = std::getenv("ONEDNN_MAX_CPU_ISA");
  std::string cap = given ? given : "";
  std::ranges::transform(cap, cap.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return cap;
}

// What this processor is slow at, and what that means for a recipe.
std::vector<std::string> processor_notes(const std::vector<std::string>& features) {
  const auto has = [&](const char* feature) { return std::find(features.begin(), features.end(), feature) != features.end(); };
  std::vector<std::string> notes;
  if (!has("avx512_vnni") && !has("avx_vnni")) notes.emplace_back("no VNNI: INT8 models gain less speed than elsewhere");
  if (!has_native_bf16("cpu")) notes.emplace_back("no bf16 instructions: `bf16: auto` trains in f32, `bf16: true` is emulated and slower than f32");
  if (!has("avx512f")) notes.emplace_back(std::string("workaround: ") + kPointwiseWorkaround);
  if (!has("avx512f") && openvino_available()) notes.emplace_back(std::string("workaround: ") + kInt8PointwiseWorkaround);
  if (const std::string cap = onednn_cap();
      has("avx512f") && openvino_available() && (cap.starts_with("SSE") || cap.starts_with("AVX2") || cap == "AVX"))
    notes.emplace_back("ONEDNN_MAX_CPU_ISA=" + cap + ": OpenVINO's oneDNN obeys it, its plugin asks the processor, and models may crash; unset it");
  return notes;
}

nlohmann::ordered_json collect() {
  nlohmann::ordered_json json;
  const auto features = low_precision_features();
  json["dscompress"] = version();
  json["build"] = build_fingerprint();
  json["libtorch"] = TORCH_VERSION;
  json["machine"] = machine_description();
  json["threads"] = at::get_num_threads();
  json["cpu_features"] = features;
  json["bf16"] = has_native_bf16("cpu") ? "native" : "emulated";
  json["processor_notes"] = processor_notes(features);
  const auto limits = read_machine_limits();
  json["kernel"] = limits.kernel;
  json["huge_pages"] = limits.huge_pages.empty() ? "unknown" : limits.huge_pages;
  if (limits.memory_limit_bytes) json["memory_limit_bytes"] = *limits.memory_limit_bytes;
  json["machine_notes"] = notes_on(limits);
  json["cuda"] = at::globalContext().hasCUDA();
  json["openvino"] = openvino_available() ? openvino_version() : "not built in";
  json["openvino_devices"] = openvino_available() ? openvino_devices() : std::vector<std::string>{};
  json["disk_free_bytes"] = std::filesystem::space(".").available;
  return json;
}

int doctor(const Session& session) {
  const auto facts = collect();
  if (session.json) {
    std::cout << facts.dump(2) << '\n';
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : facts.items()) {
    if (key.ends_with("_notes")) {
      for (const auto& note : value) rows.push_back({key, note.get<std::string>()});
      continue;
    }
    std::string text;
    if (value.is_array()) {
      for (const auto& item : value) text += (text.empty() ? "" : ", ") + item.get<std::string>();
    } else if (key.ends_with("_bytes")) {
      text = format_bytes(value.get<double>());
    } else {
      text = value.is_string() ? value.get<std::string>() : value.dump();
    }
    rows.push_back({key, text.empty() ? "none" : text});
  }
  std::cout << format_table(rows);
  return 0;
}

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("doctor", "Show versions, devices, what the processor offers, and what would be slow or wrong here");
  command->add_flag("--json", session.json, "Print JSON");
  command->footer("Example:\n  dscompress doctor --json");
  command->callback([&session] { session.run = [&session] { return doctor(session); }; });
}

}  // namespace dsc
