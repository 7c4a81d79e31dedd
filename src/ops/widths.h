// A network that runs at several widths: each has the first channels of every layer, and batch norms of its own.
//
// The graph is that of the whole width. What else there is lies beside it in the archive (widths.json): how wide the others are, and
// their batch norms. Sources: Yu et al. 2019, arXiv:1812.08928; Yu & Huang 2019, arXiv:1903.05134.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/fields.h"
#include "dscompress/model.h"
#include "ops/channel_groups.h"

namespace dsc {

struct Width {
  double share = 1;                                  // of each group's channels
  std::map<std::string, std::vector<double>> norms;  // of its batch norms, by weight: statistics, scales, shifts
  void fields(FieldVisitor& visit);
};

struct Widths {
  std::vector<Width> widths;  // besides the whole, the widest first
  void fields(FieldVisitor& visit);
};

// none: a network of one width. errors: model_file, for a damaged record.
std::optional<Widths> widths_of(const Model& model);
void set_widths(Model& model, const Widths& widths);

// All but the first channels of each group. A dimension that two groups share, such as heads and what is in them, shrinks once.
Removal removal_at(const ChannelGroups& groups, double share);

// The network of that width, of one width itself. Batch norms that `width` does not know are the first channels of the whole's.
// errors: model_file, when it knows others than the network has.
Model at_width(const Model& model, const Width& width);
// That width with the batch norms of such a network.
Width read_width(double share, const Model& narrow);

}  // namespace dsc
