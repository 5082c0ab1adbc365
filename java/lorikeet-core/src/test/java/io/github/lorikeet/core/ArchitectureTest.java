// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitCallTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ArchitectureTest {
  private static final String CORE = "io.github.lorikeet.core";

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages(CORE);

  /** The methods Java calls restricted: wrongly used, they break memory safety. */
  private static final Set<String> RESTRICTED =
      Set.of(
          "java.lang.System.load",
          "java.lang.System.loadLibrary",
          "java.lang.Runtime.load",
          "java.lang.Runtime.loadLibrary",
          "java.lang.foreign.AddressLayout.withTargetLayout",
          "java.lang.foreign.Linker.downcallHandle",
          "java.lang.foreign.Linker.upcallStub",
          "java.lang.foreign.MemorySegment.reinterpret",
          "java.lang.foreign.SymbolLookup.libraryLookup",
          "java.lang.ModuleLayer$Controller.enableNativeAccess");

  private static DescribedPredicate<JavaAccess<?>> calls(String what, Set<String> methods) {
    return DescribedPredicate.describe(
        what,
        access ->
            access.getTarget() instanceof CodeUnitCallTarget target
                && methods.contains(target.getOwner().getName() + "." + target.getName()));
  }

  @Test
  void onlyTheBindingsCallRestrictedMethods() {
    noClasses()
        .that(
            resideInAPackage(CORE + "..")
                .and(DescribedPredicate.not(resideInAPackage(CORE + ".ffi"))))
        .should()
        .accessTargetWhere(calls("restricted methods", RESTRICTED))
        .check(CLASSES);
  }

  /** Java 25.0.0 to 25.0.2 corrupt pinned arrays under G1 (JDK-8377811). */
  @Test
  void nothingPinsArrays() {
    noClasses()
        .should()
        .accessTargetWhere(
            calls("critical calls", Set.of("java.lang.foreign.Linker$Option.critical")))
        .check(CLASSES);
  }

  @Test
  void packagesDependInOneDirection() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("ffi")
        .definedBy(CORE + ".ffi")
        .layer("core")
        .definedBy(CORE)
        .optionalLayer("autograd")
        .definedBy(CORE + ".autograd")
        .whereLayer("ffi")
        .mayOnlyBeAccessedByLayers("core")
        .whereLayer("core")
        .mayOnlyBeAccessedByLayers("autograd")
        .whereLayer("autograd")
        .mayNotBeAccessedByAnyLayer()
        .check(CLASSES);
  }

  @Test
  void onlyCoreIsExported() {
    Module module = Device.class.getModule();
    assertThat(module.isExported(CORE)).isTrue();
    assertThat(module.isExported(CORE + ".ffi")).isFalse();
  }
}
