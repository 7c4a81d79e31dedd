// Stands in for the OpenVINO engine in builds without it.
#include "deploy/language_model.h"
#include "deploy/openvino_engine.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

[[noreturn]] void refuse() {
  throw Error(ErrorCode::unsupported, "this build has no OpenVINO engine", {},
              "configure with -DDSCOMPRESS_OPENVINO=ON (the openvino wheel provides headers and libraries)");
}

}  // namespace

bool openvino_available() { return false; }
std::string openvino_version() { refuse(); }
std::vector<std::string> openvino_devices() { return {}; }
std::unique_ptr<Engine> make_openvino_engine(const Model&, const OpenVinoOptions&) { refuse(); }
std::unique_ptr<TimingEngine> make_timing_engine(const Model&, OpenVinoOptions) { refuse(); }
bool is_openvino_file(const std::string&) { return false; }
Model read_openvino_inputs(const std::string&) { refuse(); }
OpenVinoPorts read_openvino_ports(const std::string&) { refuse(); }
std::unique_ptr<Engine> read_openvino_ir(const std::string&, const OpenVinoOptions&) { refuse(); }
std::string write_openvino_ir(const Model&, const std::string&, const std::string&) { refuse(); }
std::string write_stateful_ir(const Model&, const std::string&) { refuse(); }

struct LanguageModel::State {};
LanguageModel::LanguageModel(const std::string&, const OpenVinoOptions&) { refuse(); }
LanguageModel::~LanguageModel() = default;
void LanguageModel::forget() { refuse(); }
at::Tensor LanguageModel::next(const std::vector<std::int64_t>&) { refuse(); }
std::string LanguageModel::engine() const { refuse(); }

}  // namespace dsc
