(()=>{"use strict"
let X=document.currentScript||document.querySelector("script[data-key]")
let eh=window.shockmouse
if(!X||eh?.version)return
let eg=eh?.q||[]
let ef="0.1.0"
let f=X.dataset
let v=e=>f.autotrack?.split(/\s+/).includes(e)??e!=="hash"
let ev=navigator.globalPrivacyControl||navigator.doNotTrack==="1"
let Y=ev?"strict":f.privacy||"balanced"
let Z=+f.sampleRate
let _=Z>0&&Z<1?Z:1
let I=new URL(f.events||"v1/events",new URL(f.endpoint?.replace(/\/?$/,"/")||X.src,location))
I.searchParams.set("key",f.key)
let $=60_000
let ee=60_000
let eY=256_000
let eb="Shockmouse-Session"
let ey=()=>{}
let u=t=>(...n)=>{try{let e=t(...n)
e?.catch?.(ey)
return e}catch{}}
let p=(e,J,t)=>J.split(" ").forEach(n=>e.addEventListener(n,u(t),true))
let w=(e,t)=>(""+e).slice(0,t).replace(/[\ud800-\udbff]$/,"")
let ek=0
let D=()=>{let e=(ek=Math.max(ek+1,Date.now())).toString(16).padStart(12,"0")
let t=[...crypto.getRandomValues(new Uint8Array(18))]
let n=()=>(t.pop()&15).toString(16)
return e.slice(0,8)+"-"+e.slice(8)+"-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g,n)}
let K="shockmouse."
let L=u((e,t=localStorage)=>t.getItem(K+e))
let j=u((e,t,n=localStorage)=>n.setItem(K+e,t))
let et=u((e,t=localStorage)=>t.removeItem(K+e))
let J=M=>Object.keys(localStorage).filter(e=>e.startsWith(K+M))
let E=f.consent==="given"&&"yes"
let en=()=>(ev&&f.gpc==="drop"?"no":L("consent")||E)
let ea=()=>L("device")||(j("device",D()),L("device"))
let z=()=>(en()==="yes"&&Y!=="strict"&&ea()?Y:"strict")
let g
let eZ=e=>{g=u(JSON.parse)(L("session",sessionStorage))||g
if(!g||e-g.last>30*$||e-g.started>1440*$)
g={id:D(),started:e}
g.last=e
j("session",JSON.stringify(g),sessionStorage)
return g}
let N=e=>new TextEncoder().encode(e)
let eo=t=>{let e=0x811c9dc5
for(let n of N(t))e=Math.imul(e^n,0x01000193)
e=Math.imul(e^(e>>>16),0x85ebca6b)
e=Math.imul(e^(e>>>13),0xc2b2ae35)
return(e^(e>>>16))>>>0}
let{userAgentData:ei,language:ex}=navigator
let O=e=>(z()==="full"?e:Math.round(e/100)*100)
let P
let e_=t=>{let e={platform:ei?.platform||navigator.platform,touch:navigator.maxTouchPoints>0,mobile:ei?.mobile,viewport:O(innerWidth)+"x"+O(innerHeight),pixel_ratio:devicePixelRatio,dark:matchMedia("(prefers-color-scheme:dark)").matches,}
if(t!=="strict")
Object.assign(e,{cores:navigator.hardwareConcurrency,memory:navigator.deviceMemory,color_depth:screen.colorDepth,gamut:["rec2020","p3","srgb"].find(o=>matchMedia("(color-gamut:"+o+")").matches),hdr:matchMedia("(dynamic-range:high)").matches})
if(t==="full"){let{languages:i,vendor:r}=navigator
Object.assign(e,{languages:i.join(),vendor:r,math:Math.tan(-1e300)},P)
if(!P){P={}
ei?.getHighEntropyValues(["architecture","model","platformVersion","uaFullVersion"]).then(n=>{delete n.brands
P=n
er=0},ey)}}
let a=f.key+JSON.stringify(e)
return{hash:eo(a).toString(16)+eo(a+1).toString(16),signals:e}}
let ew
let e$=t=>{let e=navigator.webdriver||undefined
if(t==="strict")return{webdriver:e,locale:ex.split("-")[0]}
ew??=Intl.DateTimeFormat().resolvedOptions().timeZone
return{webdriver:e,locale:ex,timezone:ew,screen:{width:O(screen.width),height:O(screen.height)}}}
let te=D()
let tt=0
let b=[]
let es,eq,m,er
let h=(r,n,s,c)=>{if(en()==="no")return
let a=Date.now()
let e=z()
let t=e!=="strict"&&eZ(a)
let o=t?ea():undefined
if(t&&_<1&&eo(o)>=_*2**32)return
let i={event_id:D(),type:r,name:n&&w(n,255),timestamp:new Date(a),properties:s,user_id:eq,device_id:o,session_id:t.id,session_started_at:t?new Date(t.started):undefined,privacy:e,sample_rate:_,boot_id:te,seq:tt++,context:{page:m},...c,}
if(er!==e)i.fingerprint=e_((er=e))
b.push([JSON.stringify(i),JSON.stringify(e$(e))])
es??=setTimeout(u(ej),1000)}
let F=new Map()
let ez=r=>{es=clearTimeout(es)
if(!b.length)return
let t=D()
let[[s,n]]=b
let c=JSON.stringify({batch_id:t,library:{name:"shockmouse-agent",version:ef}}).slice(0,-1)
let a=c+',"context":'+n+',"events":['
let e=1
for(let o=N(a+s).length;b[e]?.[1]===n;e++){o+=N(b[e][0]).length+1
if(o>r)break}
let i=b.splice(0,e)
return[t,a+i.map(([d])=>d)+"]}",i]}
let eA=e=>'{"sent_at":"'+new Date().toJSON()+'",'+e.slice(1)
let eB=e=>{F.delete(e)
et("batch."+e)}
let eC=()=>{if(z()!=="strict")for(let e of J("batch."))F.set(e.slice(17),localStorage[e])
return[...F].sort()}
let ec=u((e,t)=>{F.set(e,t)
if(z()!=="strict")j("batch."+e,t)
let n=0
for(let[e,t]of eC().reverse()){if((n+=t.length)>eY)eB(e)}})
let Q=0
let eD
let ed=async(n,e)=>{let t,a
try{let o=await fetch(I,{method:"POST",body:eA(e),keepalive:N(e).length<=ee,signal:AbortSignal.timeout?.(30_000)})
t=o.status
a=o.headers.get("retry-after")*1000}catch{}
if(t&&!/40[1348]|429|5../.test(t)){Q=0
eB(n)
return true}
ec(n,e)
clearTimeout(eD)
eD=setTimeout(R,Math.min((a||0)+Math.random()*500*2**++Q,5*$))}
let eE=async()=>{for(let[e,t]of eC())if(en()==="no"||!(await ed(e,t)))return}
let R=u(()=>(navigator.locks?navigator.locks.request("shockmouse",eE):eE()))
let ej=async()=>{for(let e;(e=ez(ee));)Q?ec(...e):await ed(...e)}
let tn=e=>{let t=u(()=>window.fetchLater(I,{method:"POST",body:e,activateAfter:0}))()
return t||u(()=>navigator.sendBeacon(I,e))()}
let eF=()=>{let e=navigator.onLine&&(!Q||z()==="strict")
for(let n=ee;b.length;){let[a,t,o]=ez(n)
if(e&&tn(eA(t)))continue
if(e&&(n/=2)>500)b=o.concat(b)
else{ec(a,t)
if(e)ed(a,t)}}}
let eG=n=>{let{origin:a,pathname:e,search:o}=location
let t=v("hash")?location.hash:""
let i=t?e.replace(/\/$/,"")+t.replace(/^#\/?/,"/"):e
return{url:a+e+o+t,path:i,title:document.title,referrer:m&&!n?m.url:document.referrer}}
let el=e=>{let t=eG(e)
if(m&&!e&&m.path===t.path)return
if(m)eH()
for(let n of y.keys())if(!n.isConnected)eu(n,"abandon")
m=t
S=0
eI()
if(v("pages"))h("page",m.title)}
let eJ=()=>setTimeout(u(el))
let eK=e=>{let t=history[e]
history[e]=function(...n){let a=t.apply(this,n)
eJ()
return a}}
let S=0
let T=0
let A=0
let eI=()=>{let e=Math.round(((scrollY+innerHeight)/document.documentElement.scrollHeight)*100)
S=Math.min(Math.max(S,e),100)}
let G=()=>{let e=performance.now()
if(A)T+=e-A
A=document.visibilityState==="visible"&&document.hasFocus()?e:0}
let eH=()=>{G()
if(T<100)return
if(v("scroll"))
h("performance","engagement",{scroll_percent:S,engaged_ms:Math.round(T)})
T=0}
let ta="a,button,summary,[role=button],[role=link],[role=tab],[role^=menuitem],[data-shockmouse-name],select,input"
let to=/\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i
let eL=e=>e.composedPath().filter(t=>t.nodeType===1)
let eM=e=>e.some(t=>t.hasAttribute("data-shockmouse-ignore"))
let ti=e=>{let t={tag:e.localName}
for(let{name:n,value:i}of e.attributes){let a={id:"id",class:"classes","aria-label":"label"}[n]||(n.startsWith("data-shockmouse-")&&n.slice(16))
if(a)t[a]=w(i,200)}
let o=":read-write,textarea,select"
let r="a,button,summary,[role=button],[role=link]"
if(e.matches(r)&&!e.matches(o)&&!e.querySelector(o))
t.text=w(e.textContent.replace(/\s+/g," ").trim(),80)
return t}
let ep=[]
let tr=i=>{let n=eL(i)
if(!n[0]||eM(n))return
let r=n.find(a=>a.matches(ta))
let t=n.find(a=>a.matches("a[href]"))
let e=ti(r||n[0])
if(/^https?:$/.test(t?.protocol)){e.href=t.origin+t.pathname
if(v("outbound")&&t.host!==location.host)e.outbound=true
if(v("downloads")&&(t.hasAttribute("download")||to.test(t.pathname)))e.download=true}
let{timeStamp:s,clientX:c,clientY:d,detail:l}=i
ep=ep.filter(o=>s-o.at<1000&&Math.hypot(c-o.x,d-o.y)<=30)
if(l&&ep.push({at:s,x:c,y:d})===3)e.rage=true
if(v("clicks")?r||e.rage:e.outbound||e.download)
h("click",e.name||e.label||e.text||e.id||e.tag,e)}
let y=new Map()
let ts=/pass|^hidden|card|cc-|cvc|cvv|iban|ssn|secret|token|pin$/i
let tc=o=>{let n=eL(o)
let{form:e,name:i,id:r,type:s,autocomplete:c}=n[0]
if(!e||eM(n))return
if(!y.has(e))y.set(e,{since:performance.now(),fields:[]})
let{fields:a}=y.get(e)
let t=w(i||r,80)
let d=s+c+t
if(t&&!ts.test(d)&&!a.includes(t))a.push(t)}
let eu=(e,a)=>{let{since:A=0,fields:o=[]}=y.get(e)||{}
y.delete(e)
if(e.closest("[data-shockmouse-ignore]"))return
let t=e.getAttribute("name")||e.getAttribute("id")||undefined
let n=new URL(e.getAttribute("action")||"",location).pathname
h("form",t||n,{form:t,action:n,fields:o,outcome:a,duration_ms:A&&Math.round(performance.now()-A)})}
let eN=[]
let B=u((e,a,o)=>{if(!PerformanceObserver.supportedEntryTypes.includes(e))return
let t=u(i=>i.forEach(a))
let n=new PerformanceObserver(r=>t(r.getEntries()))
n.observe({type:e,buffered:true,...o})
eN.push(()=>t(n.takeRecords()))})
let eO=()=>performance.getEntriesByType("navigation")[0]
let k,U,H,eP,x,C,em,V,W,eQ
let eR=e=>{let t=(k={TTFB:e?0:undefined,CLS:0})
H=e
U=e||eO()?.activationStart||0
eP=e||document.hidden
x={sum:0}
C=new Map()
em=performance.interactionCount||0
V=W=0
eQ=m
if(e)
requestAnimationFrame(()=>requestAnimationFrame(()=>(t.FCP=t.LCP=performance.now()-U)))}
let eS=e=>({startTime:t})=>{if(!eP)k[e]=Math.max(t-U,0)}
let td=()=>{eR(0)
B("paint",o=>o.name==="first-contentful-paint"&&eS("FCP")(o))
B("largest-contentful-paint",eS("LCP"))
B("layout-shift",({startTime:e,value:r,hadRecentInput:s})=>{if(s||e<H)return
if(!(x.sum&&e-x.last<1000&&e-x.first<5000))
x={sum:0,first:e}
x.last=e
k.CLS=Math.max(k.CLS,(x.sum+=r))})
let i=({interactionId:n,startTime:e,duration:a})=>{if(!n||e<H)return
C.set(n,Math.max(C.get(n)||0,a))
let t=[...C].sort((c,d)=>d[1]-c[1])
if(t.length>10)C.delete(t.pop()[0])
let l="interactionCount"in performance?performance.interactionCount-em:C.size
k.INP=t[Math.min(t.length-1,Math.floor(l/50))][1]}
B("event",i,{durationThreshold:40})
B("first-input",i)
B("longtask",({duration:a})=>{V++
W=Math.max(W,a)})}
let tl=()=>{eN.forEach(a=>a())
let e=k
if(!e)return
k=undefined
if(!H)e.TTFB=Math.max(eO()?.responseStart-U,0)
if(!e.FCP)delete e.CLS
if(H&&performance.interactionCount>em)e.INP??=8
let n={context:{page:eQ}}
for(let t in e)if(e[t]>=0)h("performance",t,{value:+e[t].toFixed(4)},n)
if(V)h("performance","longtask",{count:V,duration_ms:Math.round(W)},n)}
let eT=e=>new URL(e,document.baseURI).origin===location.origin&&z()!=="strict"&&g&&"01;s="+g.id+";d="+ea()
let tu=u((e,t)=>{let n=!t?.url&&eT(e.url||e)
if(!n)return
let a=new Headers(t?.headers||e.headers)
a.set(eb,n)
return{...t,headers:a}})
let tp=()=>{let{fetch:i,XMLHttpRequest:{prototype:e}}=window
window.fetch=(t,n)=>i(t,tu(t,n)||n)
let{open:r}=e
e.open=function(...a){r.apply(this,a)
u(()=>{let o=eT(a[1])
if(o)this.setRequestHeader(eb,o)})()}}
let eU={track:(e,t)=>h("track",e,t),page:(e,t)=>{m=eG()
h("page",e||m.title,t)},identify:(n,t)=>{eq=n?w(n,256):undefined
h("identify",undefined,undefined,{user_properties:t})},optIn:()=>{E="yes"
if(Y!=="strict")j("consent",E)
h("consent","given",{analytics:true})},optOut:()=>{h("consent","withdrawn",{analytics:false})
eF()
E="no"
F.clear()
u(()=>J("").forEach(e=>localStorage.removeItem(e)))()
j("consent",E)
et("session",sessionStorage)},flush:()=>ej().then(R),}
let eV=(window.shockmouse={version:ef})
for(let e in eU)
eV[e]=u((...t)=>(m?eU[e](...t):eg.push([e,...t])))
let eW=()=>{let e={"#shockmouse-ignore":"no","#shockmouse-count":"yes"}[location.hash]
if(!e)return
if(e==="no")j("consent",e)
else et("consent")
alert("Visits from this browser are counted: "+e)}
let M=()=>{eW()
if(f.join!==undefined)tp()
el()
for(let[s,...c]of eg)eV[s]?.(...c)
G()
eK("pushState")
eK("replaceState")
p(window,"popstate hashchange",eJ)
p(window,"hashchange",eW)
p(window,"focus blur",G)
p(window,"scroll",eI)
p(window,"online",()=>setTimeout(R,Math.random()*1000))
p(document,"click",tr)
let t=()=>{tl()
eH()
eF()}
p(document,"visibilitychange",()=>{G()
if(document.hidden)t()})
p(window,"pagehide",()=>{for(let d of y.keys())eu(d,"abandon")
t()})
p(window,"pageshow",({persisted:l,timeStamp:tm})=>{if(!l)return
el(true)
G()
if(v("vitals"))eR(tm)})
if(v("vitals"))td()
if(v("forms")){p(document,"input change",tc)
p(document,"submit",({target:th})=>eu(th,"submit"))}
if(v("errors")){let n=new Set()
let a=(e,o,i,tg)=>{let{size:r}=n
if(r<20&&n.add(e+o+i).size>r)
h("error",e,{message:w(e,500),file:o,line:i,column:tg})}
p(window,"error",({message:e,filename:tf,lineno:tv,colno:tb})=>e&&a(e,tf?.split("?")[0],tv,tb))
p(window,"unhandledrejection",({reason:ty})=>a(ty?.message||"unhandled rejection"))}
R()}
let eX=()=>document.readyState==="loading"?p(document,"DOMContentLoaded",M):u(M)()
document.prerendering?p(document,"prerenderingchange",eX):eX()})()
