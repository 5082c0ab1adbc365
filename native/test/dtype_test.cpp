// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What holds for every operation with activations: their dtypes agree, parameters are f32, and a
// dtype that the device does not compute is refused by name.
#include <list>

#include "common/half_scalar.h"
#include "support.h"

namespace lk::test {
namespace {

// The tensors of one call, all zero, counted as the call asks for them. One of them may be of a
// dtype that the call must refuse.
class Arguments {
 public:
  explicit Arguments(lk_device* device, int32_t dtype = LK_F32)
      : device(device), workspace_(device, kWorkspaceBytes), dtype_(dtype) {}

  void make_odd(int activation, int parameter, int32_t odd) {
    odd_activation_ = activation;
    odd_parameter_ = parameter;
    odd_ = odd;
  }

  const lk_tensor* activation(std::vector<int64_t> sizes) {
    return make(std::move(sizes), activations_++ == odd_activation_ ? odd_ : dtype_);
  }
  const lk_tensor* parameter(std::vector<int64_t> sizes) {
    return make(std::move(sizes), parameters_++ == odd_parameter_ ? odd_ : int32_t{LK_F32});
  }
  // A plain weight [8, 8].
  const lk_weight* weight() {
    const lk_tensor* w = activation({8, 8});
    weight_ = {w->data, 8, 8, 8, LK_WEIGHT_PLAIN, w->dtype};
    return &weight_;
  }
  // The indices 0, 1 .. of both entries of a batch.
  const lk_tensor* indices(int64_t count) {
    std::vector<int32_t> values;
    for (int64_t i = 0; i < 2 * count; ++i) values.push_back(static_cast<int32_t>(i % count));
    return indices_.emplace_back(device, LK_I32, std::vector<int64_t>{2, count}, values).tensor();
  }
  void* workspace() const { return workspace_.data(); }
  size_t workspace_bytes() const { return workspace_.bytes(); }

  int activations() const { return activations_; }
  int parameters() const { return parameters_; }

  lk_device* device;

 private:
  static constexpr size_t kWorkspaceBytes = 8 << 20;

  const lk_tensor* make(std::vector<int64_t> sizes, int32_t dtype) {
    return arrays_.emplace_back(std::move(sizes), Layout{0, 0, dtype}).on(device);
  }

  std::list<Array> arrays_;
  std::list<Values<int32_t>> indices_;
  Workspace workspace_;
  lk_weight weight_{};
  int32_t dtype_, odd_ = LK_F32;
  int odd_activation_ = -1, odd_parameter_ = -1;
  int activations_ = 0, parameters_ = 0;
};

struct Operation {
  const char* name;
  lk_status (*call)(Arguments& a);
};

// Two entries of three tokens, eight elements wide; or six rows. Images are cut into three patches
// of eight pixels.
const std::vector<int64_t> kTokens{2, 3, 8}, kShort{2, 2, 8}, kVector{8}, kImages{2, 2, 2, 6};
const std::vector<int64_t> kQkv{2, 3, 3, 2, 4}, kOut{2, 3, 2, 4}, kLogSumExp{2, 2, 3};

lk_lora adapter(Arguments& a) {
  lk_lora lora{};
  lora.a = a.parameter({2, 8});
  lora.b = a.parameter({8, 2});
  lora.group[0] = {0, 8};
  lora.groups = 1;
  lora.rank = 2;
  return lora;
}

lk_epilogue epilogue(Arguments& a) {
  lk_epilogue result{};
  result.pre_activation = a.activation(kTokens);
  result.residual = a.activation(kTokens);
  result.row_scale = a.parameter({2});
  return result;
}

lk_linear_backward_options options(Arguments& a) {
  lk_linear_backward_options result{};
  result.row_scale = a.parameter({2});
  result.x_pre_activation = a.activation(kTokens);
  return result;
}

const Operation kOperations[] = {
    {"fill", [](Arguments& a) { return lk_fill(a.device, a.activation(kTokens), 1); }},
    {"add",
     [](Arguments& a) {
       const lk_tensor *x = a.activation(kTokens), *b = a.activation(kTokens);
       return lk_add(a.device, x, b, a.activation(kTokens));
     }},
    {"weight_prepare",
     [](Arguments& a) {
       lk_weight made;
       return lk_weight_prepare(a.device, a.activation({8, 8}), LK_WEIGHT_PACKED, a.workspace(),
                                a.workspace_bytes(), &made);
     }},
    {"linear_forward",
     [](Arguments& a) {
       const lk_weight* w = a.weight();
       const lk_epilogue after = epilogue(a);
       return lk_linear_forward(a.device, a.activation(kTokens), w, a.parameter(kVector), &after,
                                a.activation(kTokens), a.workspace(), a.workspace_bytes());
     }},
    {"linear_forward",
     [](Arguments& a) {
       size_t bytes = 0;
       return lk_linear_forward_workspace(a.device, 6, a.weight(), &bytes);
     }},
    {"linear_backward",
     [](Arguments& a) {
       const lk_weight* w = a.weight();
       const lk_linear_backward_options given = options(a);
       return lk_linear_backward(a.device, a.activation(kTokens), a.activation(kTokens), w, &given,
                                 a.activation(kTokens), a.parameter({8, 8}), a.parameter(kVector),
                                 a.workspace(), a.workspace_bytes());
     }},
    {"lora_linear_forward",
     [](Arguments& a) {
       const lk_weight* w = a.weight();
       const lk_epilogue after = epilogue(a);
       const lk_lora lora = adapter(a);
       return lk_lora_linear_forward(a.device, a.activation(kTokens), w, a.parameter(kVector),
                                     &lora, &after, a.parameter({6, 2}), a.activation(kTokens),
                                     a.workspace(), a.workspace_bytes());
     }},
    {"lora_linear_backward",
     [](Arguments& a) {
       const lk_weight* w = a.weight();
       const lk_linear_backward_options given = options(a);
       const lk_lora lora = adapter(a);
       return lk_lora_linear_backward(
           a.device, a.activation(kTokens), a.activation(kTokens), w, &lora, a.parameter({6, 2}),
           &given, a.activation(kTokens), a.parameter({2, 8}), a.parameter({8, 2}),
           a.parameter({8, 8}), a.parameter(kVector), a.workspace(), a.workspace_bytes());
     }},
    {"attention_forward",
     [](Arguments& a) {
       return lk_attention_forward(a.device, a.activation(kQkv), 1, a.activation(kOut),
                                   a.parameter(kLogSumExp), a.workspace(), a.workspace_bytes());
     }},
    {"attention_forward",
     [](Arguments& a) {
       size_t bytes = 0;
       return lk_attention_forward_workspace(a.device, a.activation(kQkv), &bytes);
     }},
    {"attention_backward",
     [](Arguments& a) {
       return lk_attention_backward(a.device, a.activation(kQkv), 1, a.activation(kOut),
                                    a.parameter(kLogSumExp), a.activation(kOut), a.activation(kQkv),
                                    a.workspace(), a.workspace_bytes());
     }},
    {"layer_norm_forward",
     [](Arguments& a) {
       return lk_layer_norm_forward(a.device, a.activation(kTokens), a.parameter(kVector),
                                    a.parameter(kVector), 1, a.activation(kTokens),
                                    a.parameter({6, 2}));
     }},
    {"layer_norm_backward",
     [](Arguments& a) {
       return lk_layer_norm_backward(a.device, a.activation(kTokens), a.activation(kTokens),
                                     a.parameter(kVector), a.parameter({6, 2}), 0,
                                     a.activation(kTokens), a.parameter(kVector),
                                     a.parameter(kVector), a.workspace(), a.workspace_bytes());
     }},
    {"gelu_forward",
     [](Arguments& a) {
       return lk_gelu_forward(a.device, a.activation(kTokens), a.activation(kTokens));
     }},
    {"gelu_backward",
     [](Arguments& a) {
       return lk_gelu_backward(a.device, a.activation(kTokens), a.activation(kTokens),
                               a.activation(kTokens));
     }},
    {"patch_embed_forward",
     [](Arguments& a) {
       return lk_patch_embed_forward(a.device, a.parameter(kImages), 2, a.weight(),
                                     a.parameter(kVector), a.parameter({4, 8}),
                                     a.parameter(kVector), a.activation({2, 4, 8}), a.workspace(),
                                     a.workspace_bytes());
     }},
    {"patch_embed_backward",
     [](Arguments& a) {
       return lk_patch_embed_backward(a.device, a.activation({2, 4, 8}), a.parameter(kImages), 2, 0,
                                      a.parameter({8, 8}), a.parameter(kVector),
                                      a.parameter({4, 8}), a.parameter(kVector), a.workspace(),
                                      a.workspace_bytes());
     }},
    {"mean_pool_forward",
     [](Arguments& a) {
       return lk_mean_pool_forward(a.device, a.activation(kTokens), 0, a.parameter({2, 8}));
     }},
    {"mean_pool_backward",
     [](Arguments& a) {
       return lk_mean_pool_backward(a.device, a.parameter({2, 8}), 0, a.activation(kTokens));
     }},
    {"token_gather_forward",
     [](Arguments& a) {
       return lk_token_gather_forward(a.device, a.activation(kTokens), a.indices(2),
                                      a.activation(kShort));
     }},
    {"token_gather_backward",
     [](Arguments& a) {
       return lk_token_gather_backward(a.device, a.activation(kShort), a.indices(2),
                                       a.activation(kTokens));
     }},
    {"token_scatter_forward",
     [](Arguments& a) {
       return lk_token_scatter_forward(a.device, a.activation(kShort), a.indices(2),
                                       a.parameter(kVector), a.parameter({3, 8}),
                                       a.activation(kTokens), a.workspace(), a.workspace_bytes());
     }},
    {"token_scatter_backward",
     [](Arguments& a) {
       return lk_token_scatter_backward(a.device, a.activation(kTokens), a.indices(2), 0,
                                        a.activation(kShort), a.parameter(kVector), a.workspace(),
                                        a.workspace_bytes());
     }},
    {"patch_mse_forward",
     [](Arguments& a) {
       return lk_patch_mse_forward(a.device, a.activation(kTokens), a.parameter(kImages), 2,
                                   a.indices(3), 1, a.parameter({1}), a.workspace(),
                                   a.workspace_bytes());
     }},
    {"patch_mse_backward",
     [](Arguments& a) {
       return lk_patch_mse_backward(a.device, a.activation(kTokens), a.parameter(kImages), 2,
                                    a.indices(3), 1, 1, a.activation(kTokens));
     }},
    {"bce_with_logits_forward",
     [](Arguments& a) {
       return lk_bce_with_logits_forward(a.device, a.parameter({2, 8}), a.parameter({2, 8}),
                                         a.parameter({1}));
     }},
    {"bce_with_logits_backward",
     [](Arguments& a) {
       return lk_bce_with_logits_backward(a.device, a.parameter({2, 8}), a.parameter({2, 8}), 1,
                                          a.parameter({2, 8}));
     }},
};

}  // namespace

TEST_CASE("dtype: a device says which activations it computes, f32 always") {
  on_each_device([](lk_device* device) {
    const std::vector<int32_t> dtypes = activation_dtypes(device);
    CHECK(std::find(dtypes.begin(), dtypes.end(), LK_F32) != dtypes.end());
    lk_device_info info;
    LK_REQUIRE_OK(lk_device_describe(device, &info));
    CHECK((info.dtypes & ~(1 << LK_F32 | 1 << LK_BF16 | 1 << LK_F16)) == 0);
    if (std::string(info.name) == "cpu") CHECK(info.dtypes == (1 << LK_F32 | 1 << LK_BF16));
  });
}

TEST_CASE("dtype: what a device does not compute is refused by name") {
  on_each_device([](lk_device* device) {
    const std::vector<int32_t> computed = activation_dtypes(device);
    lk_device_info info;
    LK_REQUIRE_OK(lk_device_describe(device, &info));
    for (const Operation& operation : kOperations) {
      CAPTURE(std::string(operation.name));
      Arguments usual(device);
      LK_REQUIRE_OK(operation.call(usual));
      for (const int32_t dtype : {LK_BF16, LK_F16}) {
        if (usual.activations() == 0) continue;
        if (std::find(computed.begin(), computed.end(), dtype) != computed.end()) continue;
        Arguments arguments(device, dtype);
        LK_REQUIRE_FAILS(operation.call(arguments), LK_UNSUPPORTED,
                         std::string(operation.name) + ": device " + info.name +
                             " does not compute " + dtype_name(dtype));
      }
    }
  });
}

TEST_CASE("dtype: activations of a call agree, and all else is f32") {
  on_each_device([](lk_device* device) {
    for (const Operation& operation : kOperations) {
      CAPTURE(std::string(operation.name));
      Arguments usual(device);
      LK_REQUIRE_OK(operation.call(usual));
      for (int i = 0; i < usual.activations() && usual.activations() > 1; ++i) {
        CAPTURE(i);
        Arguments arguments(device);
        arguments.make_odd(i, -1, LK_BF16);
        LK_REQUIRE_FAILS(operation.call(arguments), LK_BAD_ARGUMENT, " is");
        const std::string words = lk_last_error();
        const bool first = words.find(": f32, expected bf16 as ") != std::string::npos;
        CHECK((first || words.find(": bf16, expected f32 as ") != std::string::npos));
      }
      for (int i = 0; i < usual.parameters(); ++i) {
        CAPTURE(i);
        Arguments arguments(device);
        arguments.make_odd(-1, i, LK_BF16);
        LK_REQUIRE_FAILS(operation.call(arguments), LK_BAD_ARGUMENT, ": bf16, expected f32");
      }
    }
  });
}

TEST_CASE("dtype: arrays carry 16-bit numbers to a device and back, guarded") {
  for (const int32_t dtype : {LK_BF16, LK_F16}) {
    CAPTURE(std::string(dtype_name(dtype)));
    for (Layout layout : layouts()) {
      layout.dtype = dtype;
      on_each_device([&](lk_device* device) {
        Array narrow = Array({7, 37}, layout).randomize(1), wide({7, 37});
        CHECK(narrow.at(5) == round_to(dtype, narrow.at(5)));
        narrow.at(3) = 0.1f;  // no 16-bit number
        const lk_tensor* tensor = narrow.on(device);
        CHECK(narrow.at(3) == round_to(dtype, 0.1f));
        const Array sent = narrow;
        LK_REQUIRE_OK(lk_convert(device, tensor, wide.on(device)));
        wide.fetch();
        check_same_bits("converted by the device", wide, sent);
        narrow.fill(0);
        narrow.fetch();
        check_same_bits("fetched", narrow, sent);

        wide.randomize(2);
        Array rounded = wide;
        LK_REQUIRE_OK(lk_convert(device, rounded.on(device), tensor));
        narrow.fetch();
        for (int64_t i = 0; i < wide.size(); ++i) {
          REQUIRE(narrow.at(i) == round_to(dtype, wide.at(i)));
        }
      });
    }
  }
}

}  // namespace lk::test
