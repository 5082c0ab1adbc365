// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.cli.report.Report.Picture;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class HtmlReportTest {
  private static final Picture PICTURE = picture();

  private static Picture picture() {
    byte[] pixels = new byte[24 * 16];
    new Random(1).nextBytes(pixels);
    return new Picture("", 24, 16, pixels);
  }

  private static Document parse(String page) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(page.getBytes(StandardCharsets.UTF_8)));
  }

  private static List<Element> elements(Document page, String name) {
    NodeList nodes = page.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      elements.add((Element) nodes.item(i));
    }
    return elements;
  }

  private static Report empty(String title) {
    return ofCharts(title, List.of());
  }

  private static Report ofCharts(String title, List<Chart> charts) {
    return new Report(
        title, List.of(), List.of(), List.of(), charts, "", List.of(), List.of(), List.of());
  }

  @Test
  void showsEveryPartWithItsValues() throws Exception {
    Document page = parse(HtmlReport.of(MadeUpReport.of(List.of(PICTURE, PICTURE))));
    assertThat(elements(page, "h2").stream().map(Element::getTextContent))
        .containsExactly(
            "By <label>", "Results", "Curves", "Examples", "Memory", "How this was made");
    assertThat(
            elements(page, "tr").stream().map(Element::getTextContent).map(HtmlReportTest::plain))
        .contains(
            "LoRA, rank 40.868 ± 0.0060.86200.87400.868018,8170.66 %31.2 s61.2 MB",
            "label & moreAUROC",
            "hernia0.9",
            "54 labels",
            "frozen weights11.3 MB18 %",
            "peak, measured61.2 MB61,234,567 B");
    assertThat(page.getDocumentElement().getTextContent())
        .contains(
            "LoRA reached an AUROC of 0.868",
            "Predicted probability",
            "not pneumonia",
            "lorikeet demo --seed 1");
  }

  private static String plain(String text) {
    return text.replace("\n", "");
  }

  @Test
  void needsNothingFromElsewhere() {
    String page = HtmlReport.of(MadeUpReport.of(List.of(PICTURE)));
    assertThat(page.replace("http://www.w3.org/1999/xhtml", ""))
        .doesNotContain("http:", "https:", "<script", "<link", "@import", "url(");
    assertThat(page)
        .containsPattern("src=\"data:image/png;base64,")
        .contains("prefers-color-scheme");
  }

  @Test
  void picturesKeepTheirPixels() throws Exception {
    Document page = parse(HtmlReport.of(MadeUpReport.of(List.of(PICTURE))));
    String source = elements(page, "img").getFirst().getAttribute("src");
    byte[] png = Base64.getDecoder().decode(source.substring(source.indexOf(',') + 1));
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
    assertThat(image.getRaster().getDataElements(0, 0, 24, 16, null)).isEqualTo(PICTURE.pixels());
  }

  @Test
  void coloursKeepTheirPixels() throws Exception {
    byte[] pixels = {(byte) 255, 0, 10, 1, (byte) 200, 3};
    Picture picture = new Picture("heat", 2, 1, pixels);
    Document page = parse(HtmlReport.of(MadeUpReport.of(List.of(picture))));
    String source = elements(page, "img").getFirst().getAttribute("src");
    byte[] png = Base64.getDecoder().decode(source.substring(source.indexOf(',') + 1));
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
    assertThat(image.getRGB(0, 0)).isEqualTo(0xFFFF000A);
    assertThat(image.getRGB(1, 0)).isEqualTo(0xFF01C803);
  }

  @Test
  void textIsNeverMarkup() throws Exception {
    String title = "<script>alert(\"x\")</script> & 'more' \u0001 \ud83d\ude00";
    Document page = parse(HtmlReport.of(empty(title)));
    assertThat(elements(page, "script")).isEmpty();
    assertThat(elements(page, "h1").getFirst().getTextContent())
        .isEqualTo(title.replace('\u0001', '\ufffd'));
  }

  @Test
  void emptyPartsAreLeftOut() throws Exception {
    assertThat(elements(parse(HtmlReport.of(empty("t"))), "section")).isEmpty();
  }

  @Test
  void aChartWithGapsOrWithoutPointsIsStillDrawn() throws Exception {
    double nan = Double.NaN;
    Chart.Line gaps =
        new Chart.Line("a", Color.BLUE, new double[] {1, 2, 3, 4}, new double[] {1, nan, 2, 3});
    Chart.Line none = new Chart.Line("b", Color.GREEN, new double[0], new double[0]);
    Chart.Line flat = new Chart.Line("c", Color.ORANGE, new double[] {1}, new double[] {2});
    for (List<Chart.Line> lines : List.of(List.of(gaps, none), List.of(none), List.of(flat))) {
      Chart chart = new Chart("t", Chart.Axis.of("x"), Chart.Axis.of("y"), lines, false);
      Report report = ofCharts("t", List.of(chart));
      String page = HtmlReport.of(report);
      assertThat(page).doesNotContain("NaN", "Infinity");
      if (lines.contains(gaps)) {
        String path =
            elements(parse(page), "path").stream().map(p -> p.getAttribute("d")).findFirst().get();
        assertThat(path).matches("M[0-9. ]+M[0-9. ]+L[0-9. ]+");
        // Only the point that no line leads to is seen without being pointed at.
        assertThat(elements(parse(page), "circle").stream().map(c -> c.getAttribute("class")))
            .containsExactly("dot c0", "point c0", "point c0");
      }
    }
  }

  /** A picture's y runs downwards: what is greater stands higher, at a smaller one. */
  @Test
  void aLineGoesFromTheLowerLeftCornerToTheUpperRightOne() throws Exception {
    Chart.Line line = new Chart.Line("a", Color.BLUE, new double[] {0, 1}, new double[] {0, 1});
    Document page = parse(HtmlReport.of(ofCharts("t", List.of(Chart.roc("t", List.of(line))))));
    Element axis =
        elements(page, "line").stream()
            .filter(drawn -> drawn.getAttribute("class").equals("axis"))
            .findFirst()
            .orElseThrow();
    assertThat(axis.getAttribute("y1")).isEqualTo("256");
    assertThat(List.of(axis.getAttribute("x1"), axis.getAttribute("x2")))
        .containsExactly("49", "462");
    assertThat(elements(page, "path").getFirst().getAttribute("d"))
        .isEqualTo("M49.0 256.0L462.0 12.0");
    assertThat(elements(page, "circle").stream().map(dot -> dot.getAttribute("cy")))
        .containsExactly("256.0", "12.0");
  }

  @Test
  void ticksAreRoundAndSpanTheData() {
    assertThat(Ticks.around(0, 1).values()).hasSize(6);
    assertThat(Ticks.around(0, 1).label(.2)).isEqualTo("0.2");
    assertThat(Ticks.around(1, 50).values()).containsExactly(0.0, 10.0, 20.0, 30.0, 40.0, 50.0);
    Ticks narrow = Ticks.around(0.8612, 0.8643);
    assertThat(narrow.first()).isLessThanOrEqualTo(0.8612);
    assertThat(narrow.last()).isGreaterThanOrEqualTo(0.8643);
    assertThat(narrow.values().stream().map(narrow::label).distinct())
        .hasSameSizeAs(narrow.values());
    assertThat(Ticks.around(3, 3).values()).hasSizeGreaterThan(1);
    assertThat(Ticks.around(-2e6, 5e6).values()).contains(0.0);
  }

  @Test
  void ticksOfEpochsAreWhole() {
    Ticks two = Ticks.whole(1, 2);
    assertThat(two.values().stream().map(two::label)).containsExactly("1", "2");
    assertThat(Ticks.whole(1, 1).values()).containsExactly(1.0, 2.0);
    assertThat(Ticks.whole(1, 50)).isEqualTo(Ticks.around(1, 50));
  }

  @Test
  void longLabelsLeaveTheNameOfTheAxisRoom() throws Exception {
    double[] areas = {0.86121, 0.86124};
    Chart.Line line = new Chart.Line("a", Color.BLUE, new double[] {1, 2}, areas);
    Chart chart = new Chart("t", Chart.Axis.epochs(), Chart.Axis.of("y"), List.of(line), false);
    Report report = ofCharts("t", List.of(chart));
    List<Element> labels =
        elements(parse(HtmlReport.of(report)), "text").stream()
            .filter(text -> text.getAttribute("class").equals("end"))
            .toList();
    assertThat(labels)
        .isNotEmpty()
        .allSatisfy(
            text -> {
              double end = Double.parseDouble(text.getAttribute("x"));
              // Letters are 12 pixels high and digits 6.7 wide; the name's feet are at 16.
              assertThat(end - 6.7 * text.getTextContent().length()).isGreaterThan(16);
            });
  }

  @Test
  void powersOfTenSpanTheDataToo() {
    Ticks ticks = Ticks.powers(0.3, 240);
    assertThat(ticks.values()).containsExactly(0.1, 1.0, 10.0, 100.0, 1000.0);
    assertThat(ticks.position(0.1)).isZero();
    assertThat(ticks.position(10)).isEqualTo(0.5);
    assertThat(ticks.values().stream().map(ticks::label))
        .containsExactly("0.1", "1", "10", "100", "1000");
    assertThat(Ticks.powers(10, 10).values()).containsExactly(10.0, 100.0);
  }

  @Test
  void picturesAndLinesMustFit() {
    assertThatThrownBy(() -> new Picture("", 2, 2, new byte[3]))
        .hasMessageContaining("2 x 2 pixels, but 3 bytes");
    assertThatThrownBy(() -> new Chart.Line("a", Color.BLUE, new double[1], new double[2]))
        .hasMessageContaining("1 x values, 2 y values");
  }
}
