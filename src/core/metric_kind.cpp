#include "core/metric_kind.h"

namespace dsc {

bool is_share(const std::string& metric) {
  return metric.starts_with("top") || metric == "accuracy" || metric == "agreement" || metric.ends_with("f1") || metric == "exact_match";
}

}  // namespace dsc
