// OpenVINO IR: written beside its place, read back, compared, then moved into it.
#include <filesystem>
#include <ios>
#include <openvino/openvino.hpp>
#include <system_error>
#include <unistd.h>

#include "core/file.h"
#include "deploy/agreement.h"
#include "deploy/openvino_caches.h"
#include "deploy/openvino_compile.h"
#include "deploy/openvino_decoder.h"
#include "deploy/openvino_structure.h"
#include "deploy/openvino_types.h"
#include "deploy/token_steps.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// A folder beside the target for the time of writing, so that moving files out of it is a rename.
class StagingFolder {
 public:
  explicit StagingFolder(const fs::path& target)
      : path_(target.parent_path() / ("." + target.filename().string() + "." + std::to_string(getpid()) + ".tmp")) {
    make_folders(path_.string());
  }
  ~StagingFolder() {
    std::error_code ignored;  // a left-over folder harms nobody
    fs::remove_all(path_, ignored);
  }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw Error(ErrorCode::io, "cannot write: " + error.message(), {.file = to.string()});
}

// OpenVINO writes through streams that say no more than that they failed.
void save(const std::shared_ptr<ov::Model>& converted, const fs::path& xml, bool to_f16, const std::string& shown, std::int64_t bytes) {
  try {
    translating([&] { ov::save_model(converted, xml, to_f16); }, ErrorCode::io);
  } catch (const std::ios_base::failure&) {
    const bool full = fs::space(xml.parent_path()).available < static_cast<std::uintmax_t>(bytes);
    throw Error(full ? ErrorCode::resource : ErrorCode::io, full ? "cannot write the file: No space left on device" : "cannot write the file",
                {.file = shown}, "free space, or write somewhere else");
  }
}

std::vector<std::string> input_names(const ov::Model& model) {
  std::vector<std::string> names;
  for (const auto& input : model.inputs()) names.push_back(input.get_any_name());
  return names;
}

// What a file holds of a graph, and how it is run as the whole graph.
struct Form {
  std::shared_ptr<ov::Model> (*convert)(const Model& model);
  std::unique_ptr<Engine> (*compile)(const std::shared_ptr<ov::Model>& converted, const Model& model);
};
constexpr Form kWhole{convert_to_openvino, [](const std::shared_ptr<ov::Model>& converted, const Model&) -> std::unique_ptr<Engine> { return compile_openvino(converted, {}); }};
constexpr Form kStateful{convert_to_stateful, [](const std::shared_ptr<ov::Model>& converted, const Model& model) {
  return make_stepwise_engine(compile_openvino(converted, {}), input_names(*converted), model);
}};

// The file against what was to be written, node by node; then what is computed against LibTorch. Weights in f16 are judged by
// the first alone: their rounding is known, and what it does to outputs is the user's choice.
std::string check_file(const fs::path& xml, const std::shared_ptr<ov::Model>& converted, const Model& model, const Form& form, bool to_f16, const std::string& shown) {
  const auto written = translating([&] { return openvino_core().read_model(xml); }, ErrorCode::model_file);
  if (const auto difference = find_structure_difference(*written, *converted, to_f16); !difference.empty()) {
    throw Error(ErrorCode::numeric, "the written file differs from the converted model: " + difference, {.file = shown});
  }
  const auto in_f32 = form.compile(to_f16 ? converted : written, model);
  const auto agreement = check_agreement(*in_f32, model, [&](const Model& other) { return form.compile(form.convert(other), other); }, shown);
  if (to_f16) compile_openvino(written, {});
  return "read back, structure and constants equal; " + agreement;
}

std::shared_ptr<ov::Model> read_model(const std::string& path) {
  if (!fs::exists(path)) throw Error(ErrorCode::io, "no such file", {.file = path});
  return openvino_core().read_model(path);
}

TensorType type_of(const ov::Output<ov::Node>& input, std::size_t position) {
  TensorType type{.dtype = from_openvino(input.get_element_type())};
  const ov::PartialShape& shape = input.get_partial_shape();
  if (shape.rank().is_dynamic()) throw Error(ErrorCode::unsupported, "input " + std::to_string(position) + " may have any number of dimensions");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::string symbol = i == 0 ? "batch" : "size" + std::to_string(position) + "_" + std::to_string(i);
    if (shape[i].is_static()) type.sizes.push_back({shape[i].get_length(), ""});
    else type.sizes.push_back({0, symbol});
  }
  return type;
}

OpenVinoPort to_port(const ov::Output<ov::Node>& output, const std::string& what) {
  const ov::PartialShape& shape = output.get_partial_shape();
  if (shape.rank().is_dynamic()) throw Error(ErrorCode::unsupported, what + " may have any number of dimensions");
  OpenVinoPort port{.name = output.get_names().empty() ? output.get_node()->get_friendly_name() : output.get_any_name(),
                    .type = from_openvino(output.get_element_type()),
                    .sizes = {}};
  for (const auto& dimension : shape) port.sizes.push_back(dimension.is_static() ? dimension.get_length() : -1);
  return port;
}

std::string write_form(const Model& model, const Form& form, const std::string& xml_path, bool to_f16) {
  const fs::path target(absolute_path(xml_path));
  if (target.extension() != ".xml") {
    throw Error(ErrorCode::usage, "the name of OpenVINO IR ends in .xml", {.file = xml_path}, "the .bin is written beside it");
  }
  const auto converted = form.convert(model);
  const StagingFolder staging(target);
  const fs::path xml = staging.path() / target.filename(), bin = fs::path(xml).replace_extension(".bin");
  save(converted, xml, to_f16, xml_path, weight_bytes(model));
  auto check = check_file(xml, converted, model, form, to_f16, xml_path);
  move_file(bin, fs::path(target).replace_extension(".bin"));
  move_file(xml, target);
  return check;
}

}  // namespace

bool is_openvino_file(const std::string& path) {
  const fs::path extension = fs::path(path).extension();
  return extension == ".xml" || extension == ".onnx";
}

std::unique_ptr<Engine> read_openvino_ir(const std::string& path, const OpenVinoOptions& options) {
  return translating([&] { return compile_openvino(read_model(path), options); }, ErrorCode::model_file);
}

Model read_openvino_inputs(const std::string& path) {
  return translating([&] {
    Model made{.source = path};
    const auto model = read_model(path);
    for (std::size_t i = 0; i < model->inputs().size(); ++i) {
      const ov::Output<ov::Node> input = model->input(i);
      const std::string name = input.get_names().empty() ? input.get_node()->get_friendly_name() : input.get_any_name();
      made.graph.add_input(InputKind::user, "input" + std::to_string(i), name, type_of(input, i));
    }
    return made;
  }, ErrorCode::model_file);
}

OpenVinoPorts read_openvino_ports(const std::string& path) {
  return translating(
      [&] {
        const auto model = read_model(path);
        OpenVinoPorts ports;
        for (const auto& input : model->inputs()) ports.inputs.push_back(to_port(input, "input " + std::to_string(ports.inputs.size())));
        for (const auto& output : model->outputs()) ports.outputs.push_back(to_port(output, "output " + std::to_string(ports.outputs.size())));
        return ports;
      },
      ErrorCode::model_file);
}

std::string write_openvino_ir(const Model& model, const std::string& xml_path, const std::string& precision) {
  if (precision != "f32" && precision != "f16") {
    throw Error(ErrorCode::usage, "weights of OpenVINO IR are f32 or f16, not `" + precision + "`");
  }
  return write_form(model, kWhole, xml_path, precision == "f16");
}

std::string write_stateful_ir(const Model& model, const std::string& xml_path) { return write_form(model, kStateful, xml_path, false); }

}  // namespace dsc
