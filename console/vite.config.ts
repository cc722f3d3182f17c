import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/**
 * The fonts of Cloudscape's global styles stand in its style sheet. As files of their own a browser
 * loads the few that a page needs, and the page's policy need not admit `data:` fonts.
 */
function fontsAsFiles(): Plugin {
  return {
    name: "fonts-as-files",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "asset" || !file.fileName.endsWith(".css")) continue;
        const folder = /^.*\//.exec(file.fileName)?.[0] ?? "";
        file.source = String(file.source).replaceAll(
          /url\(["']?data:font\/woff2;base64,([A-Za-z0-9+/=]+)["']?\)/g,
          (_whole, data: string) => {
            const source = Buffer.from(data, "base64");
            const font = this.emitFile({ type: "asset", name: "open-sans.woff2", source });
            return `url(./${this.getFileName(font).replace(folder, "")})`;
          },
        );
      }
    },
  };
}

// Addresses are relative, so that the console works below any path. Names of built files have a
// digest of what is in them: functions/console/handler.py lets browsers keep them for ever.
export default defineConfig({
  base: "./",
  plugins: [react(), fontsAsFiles()],
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    sourcemap: false,
    manifest: true,
    chunkSizeWarningLimit: 2000,
  },
});
