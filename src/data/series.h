// Time series with a label each: .ts (sktime, aeon), .arff (UCR archive), and tables with the label first (.tsv, .csv, .txt).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/open.h"

namespace dsc {

struct LabelledSeries {
  std::vector<std::vector<double>> channels;  // each of as many steps
  std::string label;                          // empty: none
  int line = 0;                               // of the file, counted from 1
};

struct SeriesFile {
  std::vector<LabelledSeries> series;
  std::vector<std::string> classes;  // as the file lists them; empty: it does not, or labels are numbers to be predicted
  bool has_labels = true;
  bool has_numbers = false;  // labels are real numbers (@targetLabel)
};

// source: "The .ts file format" of sktime and aeon; the UCR archive's .arff, multivariate ones with a relational attribute; its .tsv.
// Trailing NaN of a table is what the archive fills shorter series up with. errors: data, all of them with file and line: empty
// series, values that are missing or no numbers, channels of different lengths, labels that are not listed.
SeriesFile read_series(const std::string& path);

std::unique_ptr<Dataset> open_series(const SplitConfig& split);

}  // namespace dsc
