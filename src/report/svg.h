// Small charts as inline SVG, for report.html: no scripts, no fonts to fetch, readable in light and dark.
#pragma once

#include <limits>
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
  std::string text;  // shown behind the bar
};
// Horizontal bars from zero.
std::string bar_chart(const std::string& title, const std::vector<Bar>& bars);

struct Dot {
  std::string label;
  double x = 0, y = 0;
};
// Labelled points, joined in order: a path through a trade-off.
std::string path_chart(const std::string& title, const std::string& x_label, const std::string& y_label, const std::vector<Dot>& dots,
                       Bounds y_bounds = {});

struct Point {
  double x = 0, y = 0;
  std::string hover;    // shown while the pointer is over it; empty: nothing
  bool on_front = false;
};
// A cloud of points; those on the front are joined in order of x.
std::string scatter_chart(const std::string& title, const std::string& x_label, const std::string& y_label, const std::vector<Point>& points);

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
