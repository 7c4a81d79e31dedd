// A chain of networks, with early exits or of several resolutions, as it is deployed: a folder with chain.json, and a network for each stage.
//
//   chain.json   stage-0.pt2   stage-1.pt2 ...   and, for OpenVINO, stage-0.xml and .bin ...
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "deploy/artifact.h"
#include "exec/exit_chain.h"
#include "ops/exit_stages.h"

namespace dsc {

inline constexpr const char* kChainFile = "chain.json";

// Whether a path names such a folder, or its chain.json.
bool is_exit_chain(const std::string& path);
// The chain.json of such a folder; other paths as they are.
std::string exit_chain_file(const std::string& path);

// Writes the stages, each read back and compared as any artifact, chain.json last.
// returns: of chain.json, with the bytes of the stages in the leanest of their formats. errors: those of write_artifact.
Artifact write_exit_folder(const ExitStages& stages, const std::string& folder, bool with_openvino);

// Makes the engine of a stage out of its file; `stem` is its path without extension.
using OpenStage = std::function<StageEngine(const std::string& stem)>;
// errors: io; model_file, for a damaged plan.
std::unique_ptr<ExitChain> read_exit_chain(const std::string& path, const OpenStage& open);
// The inputs of the whole, in a network without meaning beyond them: its first stage.
Model read_exit_chain_inputs(const std::string& path);
// How many exits, the network's end included.
std::size_t count_exits(const std::string& path);
// Whether its stages are there for OpenVINO.
bool has_openvino_stages(const std::string& path);

}  // namespace dsc
