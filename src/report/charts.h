// Small charts as inline SVG, for the pages of runs, sweeps, comparisons and nightly loops: no scripts, no fonts to fetch,
// readable in light and dark, on paper and aloud. One that has nothing to show is an empty string.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dsc {

// Values that a quantity can have at all; an axis does not go beyond them.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

enum class Mark { line, dots, dashes };
struct Series {
  std::string name;
  std::vector<double> x, y;
  Mark mark = Mark::line;
  std::vector<std::string> hover = {};  // of dots, shown while the pointer is over them; empty: nothing
};
// Over one x axis; each series has a colour and a legend entry. A line's point without neighbours is a dot.
std::string line_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& series, Bounds y_bounds = {});

struct Bar {
  std::string label;
  double value = 0;
  std::string text;  // shown beside the label
  std::optional<double> before = {};  // what it was: a paler bar behind
};
// Horizontal bars from zero.
std::string bar_chart(const std::string& title, const std::vector<Bar>& bars);

struct WaterfallStep {
  std::string label;
  double value = 0;   // what the quantity is afterwards
  std::string text;   // shown beside the label
};
// A quantity from step to step: each bar goes from what it was to what it is, green for the better. from_zero: the first is a bar of
// its own.
std::string waterfall_chart(const std::string& title, const std::vector<WaterfallStep>& changes, bool larger_is_better, bool from_zero);

struct Span {
  std::string label;
  double low = 0, high = 0;
  std::string text;  // shown beside the label
};
// Horizontal bars from low to high over one axis, on which zero is marked.
std::string span_chart(const std::string& title, const std::vector<Span>& spans);

struct Point {
  double x = 0, y = 0;
  std::string hover;    // shown while the pointer is over it; empty: nothing
  bool on_front = false;
  std::string label = {};
};
// Points that no other beats in one direction without losing in the other. Smaller x is better.
void mark_front(std::vector<Point>& points, bool larger_y_is_better);
// A cloud of points; those on the front are joined in order of x.
std::string scatter_chart(const std::string& title, const std::string& x_label, const std::string& y_label, const std::vector<Point>& points,
                          Bounds y_bounds = {});

// How often values occur in equal parts of a range, with marks below for the ends of the grid that they are rounded to.
struct Histogram {
  std::string title;
  double low = 0, high = 0;
  std::vector<std::int64_t> counts;
  std::string text;  // what the ends of the range are, and more
};
std::string histogram_chart(const Histogram& histogram);

// A layer against the roofs of the machine: work for each byte moved, and work a second; both axes logarithmic.
struct RooflinePoint {
  double work_per_byte = 0, work_per_second = 0;
  std::string hover;
  std::size_t group = 0;  // of `groups`
};
std::string roofline_chart(const std::string& title, const std::vector<std::string>& groups, const std::vector<RooflinePoint>& points);

// One vertical axis for each quantity, and a line across all for each thing that has them.
struct ParallelAxis {
  std::string label;
  std::vector<std::pair<double, std::string>> ticks;  // at heights from 0 (bottom) to 1
};
struct ParallelLine {
  std::vector<double> heights;  // on each axis, from 0 to 1; not a number: it has none, and the line has a gap
  std::string hover;
  bool on_front = false;
};
std::string parallel_chart(const std::string& title, const std::vector<ParallelAxis>& axes, const std::vector<ParallelLine>& lines);

// A figure on an axis, in the unit that its size asks for: shares in percent, sizes in kB or MB.
struct FigureScale {
  double factor = 1;
  std::string label;
};
FigureScale scale_of(const std::string& figure, double largest);

// For HTML, SVG and XML.
std::string escape_xml(const std::string& text);

}  // namespace dsc
