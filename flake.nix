{
  description = "OneMount: a Microsoft OneDrive drive as a real Linux filesystem";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEach = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      nativeInputs = pkgs: [
        pkgs.nodejs_24
        pkgs.cmake
        pkgs.gnumake
        pkgs.pkg-config
      ];
    in
    {
      packages = forEach (pkgs: {
        default = pkgs.buildNpmPackage {
          pname = "onemount";
          version = (pkgs.lib.importJSON ./package.json).version;
          src = self;

          nodejs = pkgs.nodejs_24;
          # The lockfile's own integrity hashes are enough; no second hash to keep up to date.
          npmDeps = pkgs.importNpmLock { npmRoot = ./.; };
          npmConfigHook = pkgs.importNpmLock.npmConfigHook;

          nativeBuildInputs = nativeInputs pkgs ++ [ pkgs.makeWrapper ];
          buildInputs = [ pkgs.fuse3 ];
          # cmake is called by the npm script of the binding, not by its setup hook.
          dontUseCmakeConfigure = true;

          installPhase = ''
            runHook preInstall
            npm prune --omit=dev --no-audit --no-fund --ignore-scripts
            mkdir -p $out/lib/onemount $out/bin
            cp -r package.json dist native node_modules $out/lib/onemount/
            # fusermount3 has to be the setuid one of the system, which NixOS keeps in /run/wrappers.
            makeWrapper ${pkgs.nodejs_24}/bin/node $out/bin/onemount \
              --add-flags $out/lib/onemount/dist/main.js \
              --suffix PATH : /run/wrappers/bin:${pkgs.fuse3}/bin
            runHook postInstall
          '';

          meta = {
            description = "Mount a Microsoft OneDrive drive as a real Linux filesystem";
            license = pkgs.lib.licenses.mit;
            mainProgram = "onemount";
            platforms = systems;
          };
        };
      });

      devShells = forEach (pkgs: {
        default = pkgs.mkShell {
          packages = nativeInputs pkgs ++ [
            pkgs.gcc
            pkgs.fuse3
          ];
        };
      });
    };
}
