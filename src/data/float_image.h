// Changes of a picture that a camera, the weather or a file format could have made.
#pragma once

#include <vector>

#include "core/random.h"
#include "data/corruption.h"
#include "data/images.h"

namespace dsc {

struct FloatImage {
  ImageShape shape;
  std::vector<float> values;  // planes [C, H, W], from 0 (black) to 1
};

// Each changes the picture in place; values may leave [0, 1], which the caller mends (corrupt_pixels). amount:
void add_gaussian_noise(FloatImage& image, Strength strength, Random& random);  // standard deviation
void add_shot_noise(FloatImage& image, Strength strength, Random& random);      // photons that a white pixel is made of
void add_impulse_noise(FloatImage& image, Strength strength, Random& random);   // share of the values that become 0 or 1
void brighten(FloatImage& image, Strength strength, Random& random);            // what is added to the value of HSV
void lower_contrast(FloatImage& image, Strength strength, Random& random);      // share of the distance from the channel's mean that is left
void occlude(FloatImage& image, Strength strength, Random& random);             // side of a grey square, of the shorter side
void blur(FloatImage& image, Strength strength, Random& random);                // standard deviation in pixels; borders are repeated
// As a camera that moves at an angle within 45 degrees of the horizon: pixels that lie along the way, `reach` of them on, weighted by
// a Gaussian of standard deviation `amount`.
void blur_motion(FloatImage& image, Strength strength, Random& random);
void turn(FloatImage& image, Strength strength, Random& random);              // degrees, to either side; bilinear, black beyond
void compress_jpeg(FloatImage& image, Strength strength, Random& random);       // quality from 1 to 100

}  // namespace dsc
